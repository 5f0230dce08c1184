/** What exists: databases, the relations that are replicated, and the syncs that replicate them. */

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** The short name of a database in this installation: a letter, then letters, digits and underscores. */
export type DatabaseName = Brand<string, 'DatabaseName'>;
/** The name of a sync, formed like a database name. */
export type SyncName = Brand<string, 'SyncName'>;
/** A uuid made when the sync is added. Positions are kept by it: a sync that is created again starts afresh. */
export type SyncId = Brand<string, 'SyncId'>;
/** A small number given when the database is added and never used again: it is stored with every replicated version. */
export type DatabaseId = number & { readonly [brand]: 'DatabaseId' };
/** A small number given when a relation is first named in the installation: the same on every database. */
export type RelationId = number & { readonly [brand]: 'RelationId' };

/** How a member of a dbgroup is used: written by applications, written by Tahr only, or replaced whole. */
export const roles = ['source', 'target', 'fullcopy'] as const;
export type Role = (typeof roles)[number];

export const connectionStatuses = ['active', 'inactive'] as const;
export type ActiveStatus = (typeof connectionStatuses)[number];

/** libpq connection parameters by keyword (`host`, `port`, `dbname`, `user`, `password`, `sslmode` …). */
export type ConnectionParameters = Readonly<Record<string, string>>;

export interface Database {
  readonly id: DatabaseId;
  readonly name: DatabaseName;
  readonly status: ActiveStatus;
  /** Values may be references, `${env:NAME}` or `${file:/path}`, resolved when a connection is made. */
  readonly parameters: ConnectionParameters;
  readonly makedelta: boolean;
}

export interface Member {
  readonly database: Database;
  readonly role: Role;
}

export interface RelationName {
  readonly schema: string;
  readonly name: string;
}

export type RelationKind = 'table' | 'sequence';

/** What a relation is called on one of the databases of a sync. */
export interface CustomName {
  readonly database: DatabaseId;
  readonly relation: RelationName;
}

export const operations = ['insert', 'update', 'delete'] as const;
export type Operation = (typeof operations)[number];

/** What goes to one of the databases that are only written. */
export interface Filter {
  readonly database: DatabaseId;
  /** A condition over the columns of the source's row; null: all rows. */
  readonly where: string | null;
  /** What is done there: others leave the row as it is. */
  readonly operations: readonly Operation[];
}

/** In which columns the rows of a table go to one of the databases that are only written. */
export interface CustomCols {
  readonly database: DatabaseId;
  /** A list of SQL as after SELECT, over the columns of the source's row. */
  readonly list: string;
}

/** How both sides of a conflict are kept: the columns that are merged by what is in them; of all others the later value counts. */
export interface MergeSpec {
  /** Numbers: differences add up. */
  readonly counters: readonly string[];
  /** jsonb: the later value of each key counts. */
  readonly objects: readonly string[];
  /** Arrays: the later word on each element counts, that it is in or that it is not. */
  readonly sets: readonly string[];
}

/** What is said of a table before what is said of its syncs; null: as the sync says. */
export interface TableOverrides {
  readonly analyzeAfterCopy: boolean | null;
  readonly vacuumAfterCopy: boolean | null;
  readonly rebuildIndex: boolean | null;
  readonly strictChecking: boolean | null;
}

export const noOverrides: TableOverrides = {
  analyzeAfterCopy: null,
  vacuumAfterCopy: null,
  rebuildIndex: null,
  strictChecking: null,
};

/** A table or sequence as a member of a sync. */
export interface SyncRelation {
  readonly id: RelationId;
  readonly kind: RelationKind;
  readonly relation: RelationName;
  /** The databases on which it is called otherwise. */
  readonly customNames: readonly CustomName[];
  /** The databases to which its rows go in other columns than the source has. */
  readonly customCols: readonly CustomCols[];
  /** The databases to which not everything goes. */
  readonly filters: readonly Filter[];
  /** The unique index that the operator chose as key; null: the primary key, else the best unique index. */
  readonly keyIndex: string | null;
  /** Overrides the strategy of the sync for this table. */
  readonly conflictStrategy: string | null;
  /** Overrides `makedelta` of the database for this table; null: as the database says. */
  readonly makedelta: boolean | null;
  /** Copies of the whole sync pass it over; its changes are replicated. */
  readonly isGhost: boolean;
  /** Null: of a conflict one side wins. */
  readonly merge: MergeSpec | null;
  readonly overrides: TableOverrides;
}

/** 0 none, 1 always, 2 only where the target table is empty. */
export type OneTimeCopy = 0 | 1 | 2;

/** `replace`: what the first source has takes the place of what is there. `fill`: only where the table is empty. */
export const copyModes = ['replace', 'fill'] as const;
export type CopyMode = (typeof copyModes)[number];

/** A copy that was asked for and that some database may not have yet. */
export interface CopyRequest {
  /** It is for databases whose positions carry a lower one. */
  readonly generation: number;
  /** Null: all. */
  readonly database: DatabaseId | null;
  /** Null: all. */
  readonly relation: RelationId | null;
  readonly mode: CopyMode;
}

/** How a table is emptied before it is filled with all rows of the source. */
export const deleteMethods = ['delete', 'truncate', 'truncate_cascade'] as const;
export type DeleteMethod = (typeof deleteMethods)[number];

/** `highest`: the value that went furthest goes everywhere. `interleave`: each source draws values of its own. */
export const sequenceModes = ['highest', 'interleave'] as const;
export type SequenceMode = (typeof sequenceModes)[number];

/** A sync with everything it refers to, as the engine takes it. */
export interface SyncDefinition {
  readonly id: SyncId;
  readonly name: SyncName;
  readonly status: ActiveStatus;
  readonly isPaused: boolean;
  readonly relgroup: string;
  readonly dbgroup: string;
  /** In the order in which the operator listed them; the first source is the one that a copy is taken from. */
  readonly members: readonly Member[];
  /** In the order of the relgroup. */
  readonly relations: readonly SyncRelation[];
  readonly conflictStrategy: string;
  readonly sequence: SequenceMode;
  /** Run when a source reports changes. */
  readonly autokick: boolean;
  /** Run at least this often; null: never by the clock. */
  readonly checktimeMs: number | null;
  /** Run at these times, by the clock of the daemon: a cron expression; null: never. */
  readonly cron: string | null;
  /** When the expression was given, in milliseconds since 1970; null where there is none. */
  readonly cronSince: number | null;
  /** Changes that wait for longer are late, and after `expiredMs` very late; null: never. */
  readonly overdueMs: number | null;
  readonly expiredMs: number | null;
  /** What was asked for the whole sync and is not everywhere yet. */
  readonly onetimecopy: OneTimeCopy;
  /** Look at what a copy has brought, so that the planner knows it. */
  readonly analyzeAfterCopy: boolean;
  /** Take away what a copy has replaced. */
  readonly vacuumAfterCopy: boolean;
  /** Make the indexes of what was copied anew. */
  readonly rebuildIndex: boolean;
  /** Differences between columns that hinder no row are errors too. */
  readonly strictChecking: boolean;
  /** Of databases in the role fullcopy. */
  readonly deleteMethod: DeleteMethod;
  /** Raised each time that a copy is asked for. */
  readonly copyGeneration: number;
  readonly copies: readonly CopyRequest[];
}

/** The relations of a sync as they are called on one of its databases, in the same order. */
export const relationsOn = (
  { relations }: Pick<SyncDefinition, 'relations'>,
  database: DatabaseId,
): readonly SyncRelation[] =>
  relations.map((relation) => {
    const custom = relation.customNames.find((name) => name.database === database);
    return custom === undefined ? relation : { ...relation, relation: custom.relation };
  });

/** `schema.name`, quoted only where it has to be, for people. */
export const formatRelation = ({ schema, name }: RelationName): string =>
  [schema, name]
    .map((part) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
    .join('.');

export const sources = (sync: SyncDefinition): readonly Member[] =>
  sync.members.filter((member) => member.role === 'source' && member.database.status === 'active');

export const targets = (sync: SyncDefinition): readonly Member[] =>
  sync.members.filter((member) => member.role === 'target' && member.database.status === 'active');

export const fullCopies = (sync: SyncDefinition): readonly Member[] =>
  sync.members.filter((member) => member.role === 'fullcopy' && member.database.status === 'active');

/** Changes are captured for somebody: a database in the role fullcopy, which is replaced whole, reads none. */
export const hasDeltas = ({ members }: Pick<SyncDefinition, 'members'>): boolean =>
  members.filter(({ role }) => role !== 'fullcopy').length > 1;

/** What holds for a table of the sync. */
export const settingOf = (
  sync: Pick<SyncDefinition, keyof TableOverrides>,
  { overrides }: Pick<SyncRelation, 'overrides'>,
  setting: keyof TableOverrides,
): boolean => overrides[setting] ?? sync[setting];
