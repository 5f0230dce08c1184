import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { ReplicationError } from '../model/errors.ts';
import { createLog } from './log.ts';

const linesOf = (stream: PassThrough): string[] =>
  String(stream.read() ?? '')
    .split('\n')
    .filter((line) => line !== '');

test('a line is one JSON object with the facts of its scope', () => {
  const stream = new PassThrough();
  createLog({ level: 'info', destination: stream })
    .with({ sync: 'orders' })
    .info('round done', { rows: 3, xid: 12n });
  const [line = ''] = linesOf(stream);
  expect(JSON.parse(line)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/u) as string,
    sync: 'orders',
    rows: 3,
    xid: '12',
    message: 'round done',
  });
});

test('what is below the level is left out', () => {
  const stream = new PassThrough();
  const log = createLog({ level: 'warn', destination: stream });
  log.debug('a');
  log.info('b');
  log.warn('c');
  log.error('d');
  expect(linesOf(stream)).toHaveLength(2);
});

test('an expected failure is logged by its code, a bug with its stack', () => {
  const stream = new PassThrough();
  const log = createLog({ level: 'info', destination: stream });
  log.warn('retry', { error: new ReplicationError('given_way', { message: 'A: deadlock' }) });
  log.error('bug', { error: new TypeError('x is not a function') });
  const [expected = '', bug = ''] = linesOf(stream);
  expect(JSON.parse(expected)).toMatchObject({ code: 'given_way', error: 'A: deadlock' });
  expect(JSON.parse(bug)).toMatchObject({ error: expect.stringContaining('log.test.ts') as string });
});

test('an object is not written, whatever it holds', () => {
  const stream = new PassThrough();
  createLog({ level: 'info', destination: stream }).info('connecting', {
    parameters: { password: 'secret' },
  });
  expect(linesOf(stream).join()).not.toContain('secret');
});

test('a terminal gets a line that can be read', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true });
  createLog({ level: 'info', destination: stream }).warn('lost the connection', {
    database: 'A',
    why: 'server closed',
  });
  expect(linesOf(stream)).toEqual([
    expect.stringMatching(
      /^\d{4}-\d\d-\d\d [\d:.]+ warn {2}lost the connection {2}database=A why="server closed"$/u,
    ),
  ]);
});

test('a file is appended to, and its directory made', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tahr-log-'));
  const path = join(directory, 'new', 'tahr.log');
  createLog({ level: 'info', destination: path }).info('one');
  createLog({ level: 'info', destination: path }).info('two');
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(['one', 'two']);
  await rm(directory, { recursive: true });
});
