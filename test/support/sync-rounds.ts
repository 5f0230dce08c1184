/** The rounds of one sync over the databases of a test: they run when the test says so. */
import { setTimeout as wait } from 'node:timers/promises';
import {
  type Database,
  type DatabaseId,
  type Member,
  relationsOn,
  type Role,
  type SyncDefinition,
} from '../../src/model/topology.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { type DatabasePreview, type PreviewContext, previewRound } from '../../src/replication/preview.ts';
import { passOn, type Reached } from '../../src/replication/fault-point.ts';
import { runFullCopy } from '../../src/replication/full-copy.ts';
import { type Catalog, readCatalog } from '../../src/replication/read/catalog.ts';
import type { ReadingPlace } from '../../src/replication/read-round.ts';
import { type DatabaseOutcome, emptyMemory, runRound } from '../../src/replication/round.ts';
import { installSync } from '../../src/setup/install.ts';
import type { Site } from './site.ts';

type Outcomes = Record<string, DatabaseOutcome>;

export interface SyncRounds {
  /** May be set: how much time passes between the snapshots of a round and its first write. */
  delayMs: number;
  /** May be set: a round that begins then waits for it before it opens a source. */
  opening: (database: DatabaseId) => Promise<void>;
  /** May be set: told of every hand-over of a round. */
  reached: Reached;
  /** May be set: catalogues are read once and kept until a round fails, as a daemon does; else they are read for each round. */
  keepsCatalogs: boolean;
  /** May be set: rounds go on with another definition, and nothing is installed. */
  sync: SyncDefinition;
  /** May be set: see `RoundContext.mayWrite`. */
  mayWrite: () => boolean;
  /** May be set: see `RoundContext.readingPlace`. */
  readingPlace: ReadingPlace | null;
  /** Installs the sync as it is now. */
  install(): Promise<void>;
  /** One round that writes these databases (all of the sync's sources when left out). */
  readonly round: (...written: string[]) => Promise<Outcomes>;
  /** One round while only these sources are there, of which `written` (all of them when left out) get their commits through. */
  readonly roundOf: (present: readonly string[], written?: readonly string[]) => Promise<Outcomes>;
  /** What the next round would do that writes these databases (all of the sync's sources when left out). */
  readonly preview: (...written: string[]) => Promise<DatabasePreview[]>;
  /** A round in every lane. @returns true if all were empty @throws what a database failed with */
  lap(): Promise<boolean>;
  /** Nothing is known of positions and tables any more. */
  forget(): void;
}

const schema = 'tahr';

/** @param installation the same for all syncs of a site */
export const createSyncRounds = (
  site: Pick<Site, 'borrow' | 'oldestVersion'>,
  first: SyncDefinition,
  installation: string,
): SyncRounds => {
  const memory = emptyMemory();
  const catalogs = new Map<DatabaseId, Promise<Catalog>>();
  const members = (): readonly Member[] => rounds.sync.members;
  const sourceNames = (): string[] => namesOf(members(), 'source');
  const memberOf = (name: string): Member => {
    const member = members().find(({ database }) => database.name === name);
    if (member === undefined) throw new Error(`no database ${name}`);
    return member;
  };
  const surroundings = (present: readonly string[], written: readonly string[]): PreviewContext => {
    if (!rounds.keepsCatalogs) catalogs.clear();
    return {
      sync: rounds.sync,
      schema,
      sources: present.map(memberOf),
      written: written.map(memberOf),
      borrow: site.borrow,
      catalogOf: (id) => {
        const kept = catalogs.get(id) ?? readCatalogOf(id);
        catalogs.set(id, kept);
        return kept;
      },
    };
  };
  const readCatalogOf = async (id: DatabaseId): Promise<Catalog> => {
    await using loan = await site.borrow(id);
    return await readCatalog(loan.session, {
      schema,
      relations: relationsOn(rounds.sync, id),
      oldestVersion: site.oldestVersion,
      isSource: members().some(({ database, role }) => database.id === id && role === 'source'),
      written: new Set(members().map(({ database }) => database.id)),
    });
  };
  const rounds: SyncRounds = {
    sync: first,
    delayMs: 0,
    opening: async () => undefined,
    reached: passOn,
    keepsCatalogs: false,
    mayWrite: () => true,
    readingPlace: null,
    async install() {
      catalogs.clear();
      await installSync({
        definition: rounds.sync,
        installation,
        schema,
        connect: (database) =>
          connect(database.parameters, { label: database.name, applicationName: 'setup' }),
        signal: new AbortController().signal,
      });
    },
    round: (...written) => rounds.roundOf(sourceNames(), written.length === 0 ? sourceNames() : written),
    async roundOf(present, written = present) {
      let borrowed = 0;
      const { opening } = rounds;
      // A round opens all its sources before it asks for a connection to write with.
      const borrow: PreviewContext['borrow'] = async (id) => {
        borrowed += 1;
        if (borrowed <= present.length) await opening(id);
        else await wait(rounds.delayMs);
        return site.borrow(id);
      };
      const around = surroundings(present, written);
      const context = {
        ...around,
        borrow,
        memory,
        onProgress: () => undefined,
        reached: rounds.reached,
        mayWrite: () => rounds.mayWrite(),
        readingPlace: rounds.readingPlace,
      };
      const isFullCopy = around.written.every(({ role }) => role === 'fullcopy');
      const outcome = await (isFullCopy ? runFullCopy : runRound)(context).catch((error: unknown) => {
        catalogs.clear();
        throw error;
      });
      if ([...outcome.values()].some(({ kind }) => kind === 'bad')) catalogs.clear();
      return Object.fromEntries(
        [...outcome].map(([id, result]) => [
          members().find(({ database }) => database.id === id)?.database.name ?? '',
          result,
        ]),
      );
    },
    preview: (...written) =>
      previewRound(surroundings(sourceNames(), written.length === 0 ? sourceNames() : written)),
    async lap() {
      let isQuiet = true;
      for (const lane of lanesOf(members()))
        for (const result of Object.values(await rounds.round(...lane))) {
          if (result.kind === 'bad') throw result.error;
          isQuiet &&= result.kind === 'empty';
        }
      return isQuiet;
    },
    forget() {
      catalogs.clear();
      memory.positions.clear();
      memory.sequences.clear();
    },
  };
  return rounds;
};

/** Rounds until two laps of all of them have found nothing. */
export const settleAll = async (all: readonly SyncRounds[], lapsMax = 50): Promise<void> => {
  for (let quiet = 0, laps = 0; quiet < 2; laps += 1) {
    if (laps > lapsMax) throw new Error('the rounds do not come to rest');
    let isQuiet = true;
    for (const rounds of all) isQuiet = (await rounds.lap()) && isQuiet;
    quiet = isQuiet ? quiet + 1 : 0;
  }
};

export const membersOf = (
  databases: ReadonlyMap<string, Database>,
  roles: Readonly<Record<string, Role>>,
): Member[] =>
  Object.entries(roles).map(([name, role]) => {
    const database = databases.get(name);
    if (database === undefined) throw new Error(`no database ${name}`);
    return { role, database };
  });

const namesOf = (members: readonly Member[], role: Role): string[] =>
  members.filter((member) => member.role === role).map(({ database }) => database.name);

/** The databases that are written together. */
const lanesOf = (members: readonly Member[]): string[][] => {
  const sources = namesOf(members, 'source');
  return [...(sources.length > 1 ? [sources] : []), ...namesOf(members, 'target').map((name) => [name])];
};
