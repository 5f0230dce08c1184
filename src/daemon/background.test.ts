import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { ReplicationError } from '../model/errors.ts';
import { createLog, type Log } from '../runtime/log.ts';
import { forEachInTurn, inBackground } from './background.ts';

const createTestLog = (): { log: Log; lines: () => string } => {
  const destination = new PassThrough();
  const written: string[] = [];
  destination.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  return { log: createLog({ level: 'debug', destination }), lines: () => written.join('') };
};

test('work in the background that meets a bug does not reject, and the bug is logged with its stack', async () => {
  const { log, lines } = createTestLog();
  await inBackground('the work', () => Promise.reject(new TypeError('no such thing')), log);
  await expect.poll(lines).toContain('"message":"the work failed"');
  expect(lines()).toContain('"level":"error"');
  expect(lines()).toContain('background.test.ts');
});

test('work in the background that throws before it waits does not throw', async () => {
  const { log, lines } = createTestLog();
  const work = (): Promise<void> => {
    throw new TypeError('at once');
  };
  await inBackground('the work', work, log);
  await expect.poll(lines).toContain('at once');
});

test('a database that is away is no news in the log', async () => {
  const { log, lines } = createTestLog();
  const away = new ReplicationError('database_unreachable', { message: 'away' });
  await inBackground('the work', () => Promise.reject(away), log);
  await expect.poll(lines).toContain('"level":"debug"');
});

test('each has its turn although one before it has failed, and the gravest failure is told', async () => {
  const done: string[] = [];
  const failures = new Map<string, Error>([
    ['A', new ReplicationError('database_unreachable', { message: 'away', facts: { database: 'A' } })],
    ['C', new TypeError('a bug')],
  ]);
  const work = async (name: string): Promise<void> => {
    const failure = failures.get(name);
    if (failure !== undefined) throw failure;
    done.push(name);
  };
  await expect(forEachInTurn(['A', 'B', 'C', 'D'], work)).rejects.toThrow('a bug');
  expect(done).toEqual(['B', 'D']);
});
