/** Every command there is, in the order of the help. */
import type { Command } from '../command.ts';
import { activate, deactivate, pause, resume } from './activation.ts';
import { addAll } from './add-all.ts';
import { addSync } from './add-sync.ts';
import { conflicts } from './conflicts.ts';
import { decide } from './decide.ts';
import { restart, run, start, stop } from './daemon.ts';
import { addDb } from './add-database.ts';
import { listDbs, removeDb, updateDb } from './database.ts';
import { addDbgroup, listDbgroups, removeDbgroup, updateDbgroup } from './dbgroup.ts';
import { inspect } from './inspect.ts';
import { install } from './install.ts';
import { kick } from './kick.ts';
import { addRelation } from './add-relation.ts';
import { listRelation, removeRelations, updateRelations } from './relation.ts';
import { addRelgroup, listRelgroups, removeRelgroup, updateRelgroup } from './relgroup.ts';
import { status } from './status.ts';
import { listSyncs, removeSyncs, updateSyncs } from './sync.ts';
import { validate } from './validate.ts';

export const commands: readonly Command[] = [
  install,
  addDb,
  addDbgroup,
  addRelation('table'),
  addRelation('sequence'),
  addAll,
  addRelgroup,
  addSync,
  listDbs,
  listDbgroups,
  listRelation('table'),
  listRelation('sequence'),
  listRelgroups,
  listSyncs,
  updateDb,
  updateDbgroup,
  updateRelations('table'),
  updateRelations('sequence'),
  updateRelgroup,
  updateSyncs,
  removeDb,
  removeDbgroup,
  removeRelations('table'),
  removeRelations('sequence'),
  removeRelgroup,
  removeSyncs,
  validate,
  activate,
  deactivate,
  start,
  run,
  stop,
  restart,
  status,
  inspect,
  kick,
  pause,
  resume,
  conflicts,
  decide,
];
