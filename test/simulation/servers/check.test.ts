/** The checker of the simulation sees what it is there for: each of these histories is in order but for one thing. */
import { describe, expect, it } from 'vitest';
import { check, type CheckOptions } from './check.ts';
import type { RecordedSync } from './verdicts.ts';
import type { Chronicle, ConflictRecord, Image, RecordedVersion, Write } from './witness.ts';

const key = '["1"]';
const image = (token: string): Image => ({ id: '1', token });

let clock = 0n;
const write = (xid: number, before: string | null, after: string | null, at = 0): Write => {
  clock += 1n;
  return {
    xid: String(xid),
    at: BigInt(at === 0 ? xid : at),
    clock,
    committedAt: clock,
    table: 'items',
    key,
    before,
    after,
    image: after === null ? null : image(after),
  };
};

const version = (
  origin: number,
  xid: number,
  { token, won = false, at = xid }: { token: string | null; won?: boolean; at?: number },
): RecordedVersion => ({
  database: origin,
  origin,
  xid: String(xid),
  at: BigInt(at),
  won,
  image: token === null ? null : image(token),
});

const record = (
  versions: readonly RecordedVersion[],
  more: Partial<ConflictRecord> = {},
): ConflictRecord => ({
  id: 'c1',
  sync: 's1',
  table: 1,
  kind: 'update_origin_differs',
  winner: versions.find(({ won }) => won)?.origin ?? null,
  strategy: 'bucardo_latest',
  decidedAt: 0n,
  versions,
  ...more,
});

const chronicle = (
  database: string,
  {
    writes = [],
    token,
    records = [],
  }: { writes?: Write[]; token: string | null; records?: ConflictRecord[] },
): Chronicle => ({
  database,
  writes,
  records,
  rows: new Map([['items', token === null ? [] : [{ key, image: image(token) }]]]),
});

const syncWith = (eras: RecordedSync['eras']): Pick<CheckOptions, 'syncs'> => ({
  syncs: new Map([
    [
      's1',
      {
        names: new Map([
          [1, 'A'],
          [2, 'B'],
          [3, 'C'],
        ]),
        eras,
        tables: new Map([[1, 'items']]),
      },
    ],
  ]),
});

const faultsOf = (chronicles: readonly Chronicle[], options: Partial<CheckOptions> = {}): readonly string[] =>
  check({
    chronicles,
    tables: [{ name: 'items', keyColumns: ['id'] }],
    equal: { items: chronicles.map(({ database }) => database) },
    ...syncWith([{ since: 0n, sources: ['A', 'B', 'C'] }]),
    isLatestOnly: () => true,
    isRing: false,
    departed: new Set(),
    unread: new Set(),
    ...options,
  }).faults;

/** A and B have made the row without knowing of each other; B did it later. */
const quarrel = (records: ConflictRecord[]): Chronicle[] => [
  chronicle('A', { writes: [write(10, null, 'A1')], token: 'B1', records }),
  chronicle('B', { writes: [write(20, null, 'B1')], token: 'B1', records }),
];
const decided = record([version(2, 20, { token: 'B1', won: true }), version(1, 10, { token: 'A1' })]);

describe('a history in order', () => {
  it('has no faults where changes follow each other', () => {
    const writes = [write(10, null, 'A1'), write(11, 'A1', 'A2')];
    expect(
      faultsOf([
        chronicle('A', { writes, token: null }),
        chronicle('B', { writes: [write(30, 'A2', null)], token: null }),
      ]),
    ).toEqual([]);
  });

  it('has none where the loser of a conflict is recorded', () => {
    expect(faultsOf(quarrel([decided]))).toEqual([]);
  });

  it('has none where a recorded loser had changed the row several times', () => {
    const [a, b] = quarrel([
      record([version(2, 20, { token: 'B1', won: true }), version(1, 12, { token: 'A3' })]),
    ]);
    const writes = [write(10, null, 'A1'), write(11, 'A1', 'A2'), write(12, 'A2', 'A3')];
    expect(faultsOf([{ ...(a as Chronicle), writes }, b as Chronicle])).toEqual([]);
  });

  it('has none where one of two deletions stands for both as it loses', () => {
    const records = [
      record([version(3, 30, { token: 'C1', won: true }), version(2, 20, { token: null })], {
        kind: 'update_deleted',
      }),
    ];
    const initial = 'items initial 1';
    expect(
      faultsOf([
        chronicle('A', { writes: [write(10, initial, null)], token: 'C1' }),
        chronicle('B', { writes: [write(20, initial, null)], token: 'C1', records }),
        chronicle('C', { writes: [write(30, initial, 'C1')], token: 'C1', records }),
      ]),
    ).toEqual([]);
  });
});

describe('the checker sees', () => {
  it('a difference', () => {
    const writes = [write(10, null, 'A1')];
    expect(faultsOf([chronicle('A', { writes, token: 'A1' }), chronicle('B', { token: null })])).toEqual([
      expect.stringContaining('differs'),
    ]);
  });

  it('a change that is lost everywhere', () => {
    const writes = [write(10, null, 'A1'), write(11, 'A1', 'A2')];
    expect(faultsOf([chronicle('A', { writes, token: 'A1' }), chronicle('B', { token: 'A1' })])).toEqual([
      expect.stringContaining('has lost A2'),
      expect.stringContaining('went back behind A2'),
    ]);
  });

  it('a loser that nobody has recorded', () => {
    expect(faultsOf(quarrel([]))).toEqual([expect.stringContaining('has lost A1')]);
  });

  it('a deletion that is lost', () => {
    const made = [write(10, null, 'A1')];
    const deleted = [write(20, 'A1', null)];
    expect(
      faultsOf([
        chronicle('A', { writes: made, token: 'A1' }),
        chronicle('B', { writes: deleted, token: 'A1' }),
      ]),
    ).toContainEqual(expect.stringContaining('has lost deletion by B'));
  });

  it('a row that came back, though the loss of its deletion is recorded', () => {
    const records = [
      record([version(1, 10, { token: 'A1', won: true, at: 10 }), version(2, 20, { token: null, at: 20 })], {
        kind: 'update_deleted',
        strategy: 'bucardo_source',
      }),
    ];
    const chronicles = [
      chronicle('A', { writes: [write(10, null, 'A1')], token: 'A1', records }),
      chronicle('B', { writes: [write(20, 'A1', null)], token: 'A1', records }),
    ];
    expect(faultsOf(chronicles)).toContainEqual(expect.stringContaining('went back behind deletion'));
  });

  it('a row that nobody wrote', () => {
    expect(faultsOf([chronicle('A', { token: 'X' }), chronicle('B', { token: 'X' })])).toEqual([
      expect.stringContaining('a row that nobody wrote'),
    ]);
  });

  it('a row that was put together from two', () => {
    const writes = [{ ...write(10, null, 'A1'), image: { id: '1', token: 'A1', note: 'new' } }];
    const rows = new Map([['items', [{ key, image: { id: '1', token: 'A1', note: 'old' } }]]]);
    expect(faultsOf([{ ...chronicle('A', { writes, token: null }), rows }])).toEqual([
      expect.stringContaining('"note":"old"'),
    ]);
  });

  it('a row that is gone without a deletion', () => {
    const [a] = quarrel([]);
    expect(faultsOf([{ ...(a as Chronicle), rows: new Map() }])).toContainEqual(
      expect.stringContaining('nobody has deleted it'),
    );
  });

  it('a winner that the strategy does not prefer', () => {
    const wrong = record([version(2, 20, { token: 'B1', won: true }), version(1, 10, { token: 'A1' })], {
      strategy: 'bucardo_source',
    });
    expect(faultsOf(quarrel([wrong]))).toContainEqual(expect.stringContaining('bucardo_source prefers A'));
  });

  it('a winner that was preferred only while another source was there', () => {
    const won = record([version(2, 20, { token: 'B1', won: true }), version(1, 10, { token: 'A1' })], {
      strategy: 'bucardo_target',
      decidedAt: 200n,
    });
    const eras = [
      { since: 0n, sources: ['A', 'B'] },
      { since: 100n, sources: ['A'] },
    ];
    expect(faultsOf(quarrel([won]), syncWith(eras))).toContainEqual(
      expect.stringContaining('bucardo_target prefers A'),
    );
    expect(faultsOf(quarrel([{ ...won, decidedAt: 50n }]), syncWith(eras))).toEqual([]);
  });

  it('a version with the time of another', () => {
    const wrong = record([
      version(2, 20, { token: 'B1', won: true }),
      version(1, 10, { token: 'A1', at: 9 }),
    ]);
    expect(faultsOf(quarrel([wrong]))).toContainEqual(
      expect.stringContaining('a version that nobody has made'),
    );
  });

  it('a conflict between a change and what it was made from', () => {
    const records = [record([version(2, 20, { token: 'B1', won: true }), version(1, 10, { token: 'A1' })])];
    const chronicles = [
      chronicle('A', { writes: [write(10, null, 'A1')], token: 'B1', records }),
      chronicle('B', { writes: [write(20, 'A1', 'B1')], token: 'B1' }),
    ];
    expect(faultsOf(chronicles)).toContainEqual(expect.stringContaining('B1 by B 20 at 20 was made from A1'));
  });

  it('two databases that name different winners of one conflict', () => {
    const other = record([version(1, 10, { token: 'A1', won: true }), version(2, 20, { token: 'B1' })]);
    const [a, b] = quarrel([decided]);
    expect(faultsOf([a as Chronicle, { ...(b as Chronicle), records: [other] }])).toContainEqual(
      expect.stringContaining('has several winners'),
    );
  });
});
