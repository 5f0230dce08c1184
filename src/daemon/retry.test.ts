import { expect, test } from 'vitest';
import { type ErrorCode, ReplicationError } from '../model/errors.ts';
import { decideNext, gravest } from './retry.ts';

const failure = (code: ErrorCode, database?: string): ReplicationError =>
  new ReplicationError(code, { message: code, facts: database === undefined ? {} : { database } });

test.each(['given_way', 'fenced', 'table_altered'] as const)(
  '%s is retried soon, five times, then later',
  (code) => {
    expect(decideNext(failure(code), 1)).toEqual({ kind: 'soon' });
    expect(decideNext(failure(code), 5)).toEqual({ kind: 'soon' });
    expect(decideNext(failure(code), 6)).toEqual({ kind: 'later' });
  },
);

test.each(['database_unreachable', 'access_denied', 'tls_failed'] as const)(
  '%s waits for the database',
  (code) => {
    expect(decideNext(failure(code, 'B'), 9)).toEqual({ kind: 'reachable', database: 'B' });
    expect(decideNext(failure(code), 1)).toEqual({ kind: 'later' });
  },
);

// Fails when what a person has to remove is looked for too late (npm run mutate).
test('what a person has to remove is looked at again every ten seconds', () => {
  expect(decideNext(failure('schema_differs'), 1)).toEqual({ kind: 'look_again', afterMs: 10_000 });
  expect(decideNext(failure('row_refused'), 1)).toEqual({ kind: 'later' });
});

test('what only a person may decide pauses the sync', () => {
  expect(decideNext(failure('conflict_abort'), 1)).toEqual({ kind: 'pause' });
  expect(decideNext(failure('position_lost'), 1)).toEqual({ kind: 'pause' });
});

test('a bug is retried every minute', () => {
  expect(decideNext(new TypeError('x is not a function'), 1)).toEqual({ kind: 'bug', afterMs: 60_000 });
});

test('of several failures the one that needs a person counts, else the first', () => {
  const [passing, manual, other] = [
    failure('given_way'),
    failure('schema_differs'),
    failure('relation_missing'),
  ];
  expect(gravest([passing, manual, other], 1)).toBe(manual);
});
