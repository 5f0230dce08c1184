/** Where a command writes: results and confirmations to stdout, everything else to stderr. */
import { styleText } from 'node:util';
import { isReplicationError, FindingsError } from '../model/errors.ts';

export type Paint = Parameters<typeof styleText>[0];

export interface Output {
  /** A result that was asked for. */
  print(text: string): void;
  /** A result for programs. */
  json(value: unknown): void;
  /** What was done; left out with --quiet. */
  say(text: string): void;
  /** Things to know beside the result; left out with --quiet. */
  warn(text: string): void;
  /** What went wrong. */
  error(text: string): void;
  /** Replaces the line on the terminal; nothing where stdout is no terminal. */
  overwrite(text: string): void;
  /** Coloured on a terminal only. */
  paint(format: Paint, text: string): string;
}

export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export const createOutput = ({ stdout, stderr }: Streams, options: { isQuiet: boolean }): Output => ({
  print: (text) => void stdout.write(`${text}\n`),
  json: (value) => void stdout.write(`${JSON.stringify(value, null, 2)}\n`),
  say: (text) => void (options.isQuiet || stdout.write(`${text}\n`)),
  warn: (text) => void (options.isQuiet || stderr.write(`${text}\n`)),
  error: (text) => void stderr.write(`${text}\n`),
  overwrite: (text) => void (stdout.isTTY && !options.isQuiet && stdout.write(`\r\u001B[K${text}`)),
  paint: (format, text) => styleText(format, text, { stream: stdout }),
});

/** A failure as people read it: what and why, then what to do. */
export const formatError = (error: unknown): string => {
  if (error instanceof FindingsError) return error.findings.map(formatError).join('\n');
  if (isReplicationError(error)) return `${error.message}\n  ${error.hint}`;
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `This is a bug in Tahr; please report it with these lines:\n${details}`;
};

/** The same for programs. */
export const errorJson = (error: unknown): Record<string, unknown> => {
  if (error instanceof FindingsError) return { findings: error.findings.map(errorJson) };
  if (!isReplicationError(error)) return { code: 'bug', message: String(error) };
  const { code, message, hint, facts } = error;
  return { code, message, hint, facts };
};
