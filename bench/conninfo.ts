/** Connection parameters as words of a connection string (PostgreSQL manual 34.1.1). */
import type { ConnectionParameters } from '../src/model/topology.ts';

export const conninfoWords = (parameters: ConnectionParameters): string[] =>
  Object.entries(parameters).map(([keyword, value]) => `${keyword}=${quoted(value)}`);

export const formatConninfo = (parameters: ConnectionParameters): string =>
  conninfoWords(parameters).join(' ');

const quoted = (value: string | undefined): string => `'${(value ?? '').replaceAll(/['\\]/g, '\\$&')}'`;
