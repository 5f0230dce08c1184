/** The commands of the verbs that need a noun, in the order of the help. */
import type { Command } from '../command.ts';
import { addAll } from './add-all.ts';
import { addDb } from './add-database.ts';
import { addRelation } from './add-relation.ts';
import { addSync } from './add-sync.ts';
import { addCustomcols, listCustomcols, removeCustomcols } from './customcols.ts';
import { addCustomname, listCustomnames, removeCustomnames } from './customname.ts';
import { listDbs, removeDb, updateDb } from './database.ts';
import { addDbgroup, listDbgroups, removeDbgroup, updateDbgroup } from './dbgroup.ts';
import { addFilterCommand, listFiltersCommand, removeFilters } from './filter.ts';
import { listRelation, removeRelations, updateRelations } from './relation.ts';
import { addRelgroup, listRelgroups, removeRelgroup, updateRelgroup } from './relgroup.ts';
import { listSyncs, removeSyncs, updateSyncs } from './sync.ts';

type Commands = readonly Command[];

export const add: Commands = [
  addDb,
  addDbgroup,
  addRelation('table'),
  addRelation('sequence'),
  addAll,
  addRelgroup,
  addCustomname,
  addCustomcols,
  addFilterCommand,
  addSync,
];

export const list: Commands = [
  listDbs,
  listDbgroups,
  listRelation('table'),
  listRelation('sequence'),
  listRelgroups,
  listCustomnames,
  listCustomcols,
  listFiltersCommand,
  listSyncs,
];

export const update: Commands = [
  updateDb,
  updateDbgroup,
  updateRelations('table'),
  updateRelations('sequence'),
  updateRelgroup,
  updateSyncs,
];

export const remove: Commands = [
  removeDb,
  removeDbgroup,
  removeRelations('table'),
  removeRelations('sequence'),
  removeRelgroup,
  removeCustomnames,
  removeCustomcols,
  removeFilters,
  removeSyncs,
];
