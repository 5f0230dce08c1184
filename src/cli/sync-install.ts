/**
 * Brings the databases in step with what the control store says of syncs. What a sync needs is installed inside the
 * transaction that asks for it; what it no longer needs is removed when that has committed. A dry run only checks.
 */
import type { Db } from '../control/db.ts';
import { getInstallation } from '../control/installation.ts';
import { requestCopies } from '../control/copy-request.ts';
import { loadSyncDefinition, loadSyncDefinitions } from '../control/sync-definition.ts';
import { ReplicationError } from '../model/errors.ts';
import type { DatabaseId, RelationName, SyncDefinition } from '../model/topology.ts';
import { checkCascades } from '../setup/check-cascades.ts';
import { checkNames } from '../setup/check-names.ts';
import { installSync, type SetupOptions } from '../setup/install.ts';
import { throwAll } from '../setup/members.ts';
import { isPrepared } from '../setup/prepared.ts';
import { removeSync } from '../setup/remove.ts';
import { validateSync } from '../setup/validate.ts';
import { type Aftermath, look, type Say } from './change.ts';
import type { Context } from './context.ts';
import { copiesFor, newsNotice, newsOf, type SyncNews } from './sync-news.ts';
import { assertStrategies } from './strategy.ts';

interface Reinstallation {
  readonly context: Context;
  readonly say: Say;
  readonly aftermath: Aftermath;
  /** Which syncs the change can touch. */
  readonly uses: (sync: SyncDefinition) => boolean;
  /** Makes the change. */
  readonly alter: () => Promise<unknown>;
}

/**
 * Makes a change, and installs every sync again whose databases, relations or settings of relations it touched; and one
 * of which a copy is asked for, when a database has lost what was installed.
 */
export const reinstallSyncs = async (
  db: Db,
  { context, say, aftermath, uses, alter }: Reinstallation,
): Promise<void> => {
  const before = (await loadSyncDefinitions(db)).filter(uses);
  await alter();
  if (before.length === 0) return;
  const after = await loadSyncDefinitions(db);
  for (const old of before) {
    const changed = after.find(({ id }) => id === old.id);
    if (changed === undefined || (await isInstalled(db, context, { definition: changed, old }))) continue;
    const news = newsOf(changed, old);
    const definition = await withCopies(db, changed, { old, news });
    await install(db, { context, definition, say });
    say(`Installed sync "${definition.name}" again`);
    for (const line of newsNotice(definition, news)) say(`  ${line}`);
    const left = old.members.filter(
      ({ database }) => !definition.members.some((member) => member.database.id === database.id),
    );
    if (left.length > 0) aftermath.whenCommitted(() => uninstall(context, { ...old, members: left }));
  }
};

/** Asks for copies of what takes part from now on, unless a copy of everything was asked for at the same time. */
const withCopies = async (
  db: Db,
  definition: SyncDefinition,
  { old, news }: { readonly old: SyncDefinition; readonly news: SyncNews },
): Promise<SyncDefinition> => {
  const requests = copiesFor(definition, news);
  const isAsked = definition.onetimecopy !== 0 && definition.copyGeneration > old.copyGeneration;
  if (isAsked || requests.length === 0) return definition;
  await requestCopies(db, definition.id, requests);
  return loadSyncDefinition(db, definition.name);
};

const isInstalled = async (
  db: Db,
  context: Context,
  { definition, old }: { readonly definition: SyncDefinition; readonly old: SyncDefinition },
): Promise<boolean> => {
  if (shapeOf(definition) !== shapeOf(old)) return false;
  const isCopyWanted = definition.onetimecopy !== 0 && definition.copyGeneration > old.copyGeneration;
  return !isCopyWanted || (await isPrepared(await setupOptions(db, context, definition)));
};

/** Everything that installation depends on. */
const shapeOf = ({ members, relations, sequence, deleteMethod, strictChecking }: SyncDefinition): string =>
  JSON.stringify([
    members.map(({ database, role }) => [database.id, role, database.makedelta]),
    relations,
    sequence,
    deleteMethod,
    strictChecking,
  ]);

/** Installs the syncs of databases that are active again: in the meantime they may have been left out. */
export const installSyncsOf = async (
  db: Db,
  { context, say, databases }: { context: Context; say: Say; databases: readonly DatabaseId[] },
): Promise<void> => {
  const isUser = ({ members }: SyncDefinition): boolean =>
    members.some(({ database }) => databases.includes(database.id));
  for (const definition of (await loadSyncDefinitions(db)).filter(isUser)) {
    await install(db, { context, definition, say });
    say(`Installed sync "${definition.name}" again`);
  }
};

interface Installation {
  readonly context: Context;
  readonly definition: SyncDefinition;
  readonly say: Say;
}

/** Validates, and unless this is a dry run installs. @throws ReplicationError with all that is wrong */
export const install = async (db: Db, { context, definition, say }: Installation): Promise<void> => {
  assertComplete(definition);
  assertStrategies(definition);
  const all = await loadSyncDefinitions(db);
  throwAll(checkNames(definition, all).map(({ error }) => error));
  const options = await setupOptions(db, context, definition);
  const found =
    context.options.dryRun === true ? await validateSync(definition, options) : await installSync(options);
  const findings = [...found, ...checkCascades(definition, all)];
  throwAll(findings.filter(({ severity }) => severity === 'error').map(({ error }) => error));
  for (const { error } of findings) say(`  Note: ${error.message} ${error.hint}`);
};

/** Removes the sync from its databases; one that is away is named, with what to run there later. */
export const uninstall = async (context: Context, definition: SyncDefinition): Promise<void> => {
  const leftovers = await look(context, async (db) =>
    removeSync(await setupOptions(db, context, definition)),
  );
  for (const { database, error, statements } of leftovers) {
    context.out.warn(
      [
        `Database "${database.name}" still keeps what sync "${definition.name}" needed there: ${error.message}`,
        '  When it can be reached again, run there:',
        ...statements.map((statement) => `    ${statement}`),
      ].join('\n'),
    );
  }
};

/** For a sync whose addition failed in the end. What the control store has is left alone, and so is what cannot be known. */
export const undoInstall = async (context: Context, definition: SyncDefinition): Promise<void> => {
  try {
    const known = await look(context, loadSyncDefinitions);
    if (!known.some(({ id }) => id === definition.id)) await uninstall(context, definition);
  } catch {
    context.out.warn(
      `It is not known whether sync "${definition.name}" was added. When the control database answers, look with \`tahr list syncs\`; if it is there, \`tahr remove sync ${definition.name}\` takes it away.`,
    );
  }
};

export const setupOptions = async (
  db: Db,
  context: Context,
  definition: SyncDefinition,
): Promise<SetupOptions> => {
  const { id, schema } = await getInstallation(db);
  return {
    definition,
    installation: id,
    schema,
    connect: (database) => context.connect(database),
    signal: context.signal,
  };
};

const assertComplete = ({ name, members, relations, relgroup, dbgroup }: SyncDefinition): void => {
  const refuse = (message: string, hint: string): never => {
    throw new ReplicationError('usage', { message: `Sync "${name}": ${message}`, hint });
  };
  if (!members.some(({ role }) => role === 'source')) {
    refuse(`no database of dbgroup "${dbgroup}" has the role source.`, 'At least one must: write A:source.');
  }
  if (members.length < 2)
    refuse(`dbgroup "${dbgroup}" has one database only.`, 'A sync needs at least two: add another.');
  if (relations.length === 0)
    refuse(
      `relgroup "${relgroup}" has no members.`,
      `Add some: \`tahr add table NAME relgroup=${relgroup}\`.`,
    );
};

export const usesRelation = (sync: SyncDefinition, { schema, name }: RelationName): boolean =>
  sync.relations.some(({ relation }) => relation.schema === schema && relation.name === name);
