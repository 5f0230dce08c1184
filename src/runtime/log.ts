/**
 * The log: one JSON object per line, or a line for people where the destination is a terminal.
 *
 * Facts are single values: an object is not written, so that no row and no connection parameters can slip in. An
 * error is the exception: an expected one is logged as code and message, a bug with its stack.
 */
import type { Writable } from 'node:stream';
import { type DestinationStream, type Logger, pino } from 'pino';
import { ReplicationError } from '../model/errors.ts';
import type { LogLevel } from './log-level.ts';

type LogFacts = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, facts?: LogFacts): void;
  info(message: string, facts?: LogFacts): void;
  warn(message: string, facts?: LogFacts): void;
  error(message: string, facts?: LogFacts): void;
  /** The same log, with these facts in each line. */
  with(facts: LogFacts): Log;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** `stderr`, `stdout`, or the path of a file, to which lines are appended. */
  readonly destination: string | Writable;
}

export const createLog = ({ level, destination }: LogOptions): Log =>
  wrap(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        messageKey: 'message',
        formatters: { level: (label) => ({ level: label }) },
      },
      openDestination(destination),
    ),
  );

const openDestination = (destination: string | Writable): DestinationStream => {
  const stream = standardStream(destination);
  if (stream === null)
    return pino.destination({ dest: destination as string, mkdir: true, append: true, sync: true });
  if ((stream as { isTTY?: boolean }).isTTY !== true) return stream;
  return { write: (line) => void stream.write(formatForPeople(JSON.parse(line) as Record<string, unknown>)) };
};

const standardStream = (destination: string | Writable): Writable | null => {
  if (typeof destination !== 'string') return destination;
  if (destination === 'stderr') return process.stderr;
  return destination === 'stdout' ? process.stdout : null;
};

const wrap = (logger: Logger): Log => ({
  debug: (message, facts) => logger.debug(plain(facts), message),
  info: (message, facts) => logger.info(plain(facts), message),
  warn: (message, facts) => logger.warn(plain(facts), message),
  error: (message, facts) => logger.error(plain(facts), message),
  with: (facts) => wrap(logger.child(plain(facts))),
});

const plain = (facts: LogFacts = {}): Record<string, unknown> =>
  Object.assign({}, ...Object.entries(facts).map(([name, value]) => written(name, value))) as Record<
    string,
    unknown
  >;

const written = (name: string, value: unknown): Record<string, unknown> => {
  if (value instanceof ReplicationError) return { code: value.code, [name]: value.message };
  if (value instanceof Error) return { [name]: value.stack ?? value.message };
  if (typeof value === 'bigint') return { [name]: String(value) };
  return typeof value === 'object' && value !== null
    ? { [name]: '(an object, not logged)' }
    : { [name]: value };
};

/** `2026-11-21 01:20:03.123 warn  message  name=value name="two words"` */
const formatForPeople = ({ time, level, message, ...facts }: Record<string, unknown>): string => {
  const moment = String(time).replace('T', ' ').replace('Z', '');
  const pairs = Object.entries(facts).map(([name, value]) => `${name}=${formatFact(value)}`);
  return `${[`${moment} ${String(level).padEnd(5)} ${String(message)}`, pairs.join(' ')].join('  ').trimEnd()}\n`;
};

const formatFact = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"]+$/u.test(text) ? text : JSON.stringify(text);
};
