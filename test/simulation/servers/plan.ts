/** What a seed stands for: databases, tables, syncs, and a script of steps. Plain data, so it can be printed, replayed and made smaller. */
import type { Role } from '../../../src/model/topology.ts';
import type { FaultPoint } from '../../../src/replication/fault-point.ts';
import type { TablePlan } from './tables.ts';

export interface SyncPlan {
  readonly name: string;
  /** By database, in the order of the sync. */
  readonly members: Readonly<Record<string, Role>>;
  readonly tables: readonly string[];
  readonly strategy: string;
  /** By table: overrides that of the sync. */
  readonly tableStrategies: Readonly<Record<string, string>>;
  /** The members that are not the first start empty, and are copied to. */
  readonly isCopied: boolean;
}

/** Where what happens is to be found when it happens in the middle of a round. */
export interface Place {
  readonly point: FaultPoint;
  readonly database: string;
}

interface WriteStep {
  readonly kind: 'write';
  readonly database: string;
  /** 0 has one transaction in each step; the others keep theirs open. */
  readonly session: number;
  readonly statements: readonly string[];
}

export interface RoundStep {
  readonly kind: 'round';
  readonly sync: string;
  /** The sources that are there. */
  readonly present: readonly string[];
  /** The databases that are written; of a source that is there and not written the commit has failed. */
  readonly written: readonly string[];
  /** Other steps in the middle of it. */
  readonly during: readonly (Place & { readonly steps: readonly Step[] })[];
  readonly fault: (Place & { readonly how: FaultKind }) | null;
}

/**
 * `kill`: the process is gone, with all connections of the round. `cut`: the server ends the connections to one database.
 * `fail`: a statement fails there. `crash`: the server crashes, with all its databases, and starts again.
 */
type FaultKind = 'kill' | 'cut' | 'fail' | 'crash';

export type Step =
  | WriteStep
  | RoundStep
  /** Positions are acknowledged, segments are rotated and emptied, while only these databases are there. */
  | { readonly kind: 'maintain'; readonly present: readonly string[] }
  /** The daemon ends and another begins. */
  | { readonly kind: 'restart' }
  /** The server loses what it had not written, and starts again; the daemon lives on. */
  | { readonly kind: 'crash' }
  /** A statement that writes the table anew, with the same rows. */
  | { readonly kind: 'rewrite'; readonly database: string; readonly statement: string }
  | {
      readonly kind: 'strategy';
      readonly sync: string;
      /** Null: of the sync. */
      readonly table: string | null;
      readonly strategy: string;
    }
  | { readonly kind: 'makedelta'; readonly database: string; readonly isOn: boolean }
  | { readonly kind: 'add_table' | 'remove_table'; readonly sync: string; readonly table: string }
  /** It is copied to before the next step. */
  | { readonly kind: 'join'; readonly sync: string; readonly database: string; readonly role: Role }
  | {
      readonly kind: 'leave';
      readonly sync: string;
      readonly database: string;
      /** After everybody has what it made. Otherwise what nobody has read of it stays there. */
      readonly isSettled: boolean;
    };

export interface Plan {
  readonly seed: number;
  /** The kind of topology, in a few words. */
  readonly shape: string;
  readonly databases: readonly string[];
  readonly makedelta: readonly string[];
  readonly tables: readonly TablePlan[];
  readonly syncs: readonly SyncPlan[];
  /** Rows that are there before anything begins. */
  readonly initial: readonly string[];
  readonly steps: readonly Step[];
  /** By table: where it is equal in the end. */
  readonly equal: Readonly<Record<string, readonly string[]>>;
  /** What one sync knows another does not: knowledge across syncs is not complete (docs/cascading.md, rings). */
  readonly isRing: boolean;
}

/** For people, a few lines. */
export const describePlan = ({ seed, shape, makedelta, tables, syncs, steps }: Plan): string =>
  [
    `seed ${seed}: ${shape}, ${steps.length} steps`,
    ...syncs.map(
      ({ name, members, tables: names, strategy, tableStrategies, isCopied }) =>
        `  sync ${name}: ${Object.entries(members)
          .map((member) => member.join(':'))
          .join(',')} tables ${names.join(',')} by ${strategy}${Object.entries(tableStrategies)
          .map(([table, own]) => `, ${table} by ${own}`)
          .join('')}${isCopied ? ', copied' : ''}`,
    ),
    ...(makedelta.length > 0 ? [`  makedelta on ${makedelta.join(', ')}`] : []),
    ...tables.map(({ create, isOwned }) => `  ${create}${isOwned ? ' -- rows have owners' : ''}`),
  ].join('\n');

/** One line. */
export const describeStep = (step: Step): string => {
  switch (step.kind) {
    case 'write':
      return `${step.database}${step.session === 0 ? '' : `/${step.session}`}: ${step.statements.join('; ')}`;
    case 'round': {
      const place = (where: Place): string => `${where.point} of ${where.database}`;
      const fault = step.fault === null ? '' : `, ${step.fault.how} at ${place(step.fault)}`;
      const during = step.during.map(
        (one) => `, at ${place(one)} [${one.steps.map(describeStep).join(' | ')}]`,
      );
      return `round of ${step.sync}: ${step.present.join('')} there, writes ${step.written.join('')}${during.join('')}${fault}`;
    }
    case 'maintain':
      return `maintain while ${step.present.join('')} are there`;
    case 'restart':
    case 'crash':
      return step.kind;
    case 'rewrite':
      return `${step.database}: ${step.statement}`;
    case 'makedelta':
      return `makedelta is ${step.isOn ? 'on' : 'off'} on ${step.database}`;
    case 'strategy':
      return `strategy of ${step.table ?? step.sync} is ${step.strategy}`;
    case 'add_table':
      return `${step.table} joins ${step.sync}`;
    case 'remove_table':
      return `${step.table} is taken out of ${step.sync}`;
    case 'join':
      return `${step.database} joins ${step.sync} as ${step.role}`;
    case 'leave':
      return `${step.database} leaves ${step.sync}${step.isSettled ? '' : ', unread'}`;
    default:
      return step satisfies never;
  }
};
