/** The shapes that the simulation plays on: which databases, which syncs over them, and who is written by applications. */
import type { Role } from '../../../src/model/topology.ts';
import type { Dice } from './dice.ts';

interface SyncShape {
  readonly name: string;
  readonly members: Readonly<Record<string, Role>>;
  /** By their place among the tables of the topology. */
  readonly tables: readonly number[];
}

export interface Topology {
  readonly shape: string;
  readonly databases: readonly string[];
  readonly makedelta: readonly string[];
  readonly syncs: readonly SyncShape[];
  readonly tableCount: number;
  /** By table: the databases that applications write. */
  readonly writers: readonly (readonly string[])[];
  /** Each row is written by one database only. */
  readonly isOwned: boolean;
  readonly isRing: boolean;
  /** Only the latest change wins. */
  readonly isLatestOnly: boolean;
  /** They join the only sync later: the last database of its role, the last table. */
  readonly lateDatabase: string | null;
  readonly lateTable: number | null;
}

const sourceNames = ['A', 'B', 'C', 'D'];
const targetNames = ['T', 'U', 'V'];

const membersOf = (sources: readonly string[], targets: readonly string[]): Record<string, Role> =>
  Object.fromEntries([
    ...sources.map((name): [string, Role] => [name, 'source']),
    ...targets.map((name): [string, Role] => [name, 'target']),
  ]);

const plain = {
  makedelta: [],
  isOwned: false,
  isRing: false,
  isLatestOnly: false,
  lateDatabase: null,
  lateTable: null,
};

const allTables = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const everywhere = (count: number, writers: readonly string[]): (readonly string[])[] =>
  allTables(count).map(() => writers);

/** Databases in a row, each with the next. */
const links = (names: readonly string[], role: Role, tables: readonly number[]): SyncShape[] =>
  names.slice(0, -1).map((from, index) => {
    const to = names[index + 1] ?? from;
    return { name: `${from}${to}`.toLowerCase(), members: { [from]: 'source', [to]: role }, tables };
  });

const gang = (dice: Dice): Topology => {
  const sources = sourceNames.slice(0, dice.pick([1, 2, 2, 3, 3, 3, 4]));
  const targets = targetNames.slice(
    0,
    sources.length === 1 ? dice.between(1, 3) : dice.pick([0, 0, 1, 1, 2, 3]),
  );
  const tableCount = dice.between(1, 3);
  const canJoin = [
    ...(sources.length > 2 ? sources.slice(-1) : []),
    ...(sources.length + targets.length > 2 ? targets.slice(-1) : []),
  ];
  return {
    ...plain,
    lateDatabase: canJoin.length > 0 && dice.chance(0.2) ? dice.of(canJoin) : null,
    lateTable: tableCount > 1 && dice.chance(0.15) ? tableCount - 1 : null,
    shape: `${sources.length} sources, ${targets.length} targets`,
    databases: [...sources, ...targets],
    syncs: [{ name: 'gang', members: membersOf(sources, targets), tables: allTables(tableCount) }],
    tableCount,
    writers: everywhere(tableCount, sources),
  };
};

/** Two syncs read the same source, one of them with a table that the other has too. */
const overlapping = (dice: Dice): Topology => {
  const sources = sourceNames.slice(0, dice.between(1, 3));
  const [one, other] = [membersOf(sources, sources.length === 1 ? ['U'] : []), membersOf(['A'], ['T'])];
  return {
    ...plain,
    shape: `overlapping syncs, ${sources.length} sources`,
    databases: [...new Set([...Object.keys(one), ...Object.keys(other)])],
    makedelta: ['A'],
    syncs: [
      { name: 'first', members: one, tables: [0, 1] },
      { name: 'second', members: other, tables: [1, 2] },
    ],
    tableCount: 3,
    writers: [sources, sources, ['A']],
  };
};

const chain = (dice: Dice): Topology => {
  const names = sourceNames.slice(0, dice.between(3, 4));
  const isBothWays = dice.chance(0.7);
  return {
    ...plain,
    shape: `chain of ${names.length} ${isBothWays ? 'both ways' : 'one way'}`,
    databases: names,
    makedelta: names.slice(1, -1),
    syncs: links(names, isBothWays ? 'source' : 'target', [0]),
    tableCount: 1,
    writers: [isBothWays ? names : ['A']],
    isLatestOnly: dice.chance(0.6),
  };
};

const star = (dice: Dice): Topology => {
  const leaves = sourceNames.slice(1, dice.between(3, 4));
  return {
    ...plain,
    shape: `star with ${leaves.length} leaves`,
    databases: ['A', ...leaves],
    makedelta: ['A'],
    syncs: leaves.flatMap((leaf) => links(['A', leaf], 'source', [0])),
    tableCount: 1,
    writers: [['A', ...leaves]],
    isLatestOnly: dice.chance(0.6),
  };
};

const ring = (dice: Dice): Topology => {
  const names = sourceNames.slice(0, 3);
  const isBothWays = dice.chance(0.5);
  return {
    ...plain,
    shape: `ring of 3 ${isBothWays ? 'both ways' : 'one way'}`,
    databases: names,
    makedelta: names,
    syncs: links([...names, 'A'], isBothWays ? 'source' : 'target', [0]),
    tableCount: 1,
    writers: [names],
    isOwned: !isBothWays,
    isRing: true,
    isLatestOnly: true,
  };
};

/** A gang, and a second sync that reads one of its members. */
const tail = (dice: Dice): Topology => {
  const sources = sourceNames.slice(0, dice.between(2, 3));
  const joint = dice.pick(['T', sources.at(-1) ?? 'A']);
  const isBothWays = joint !== 'T' && dice.chance(0.5);
  const end = isBothWays ? 'D' : 'U';
  const targets = joint === 'T' ? ['T'] : [];
  return {
    ...plain,
    shape: `gang of ${sources.length} with a tail at ${joint} ${isBothWays ? 'both ways' : 'one way'}`,
    databases: [...sources, ...targets, end],
    makedelta: [joint],
    syncs: [
      { name: 'gang', members: membersOf(sources, targets), tables: [0] },
      {
        name: 'tail',
        members: isBothWays ? membersOf([joint, end], []) : membersOf([joint], [end]),
        tables: [0],
      },
    ],
    tableCount: 1,
    writers: [isBothWays ? [...sources, end] : sources],
    isLatestOnly: isBothWays,
  };
};

const shapes = { gang, overlapping, chain, star, ring, tail };

export const chooseTopology = (dice: Dice): Topology =>
  shapes[dice.weighted({ gang: 60, overlapping: 10, chain: 10, star: 6, ring: 6, tail: 8 })](dice);
