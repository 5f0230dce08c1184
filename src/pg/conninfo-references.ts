/**
 * References in the value of a connection parameter: `${env:NAME}` is the environment variable, `${file:/path}` the
 * contents of the file without the line break at its end. They are looked up when a connection is made, so that a
 * changed password is found without a restart, and nothing secret has to be stored.
 */
import { readFile } from 'node:fs/promises';
import type { ConnectionParameters } from '../model/topology.ts';
import { invalid } from './conninfo-keywords.ts';

/** @throws ReplicationError `configuration_invalid` naming the variable or file that is missing */
export const resolveReferences = async (
  parameters: ConnectionParameters,
  environment: NodeJS.ProcessEnv,
): Promise<ConnectionParameters> => {
  const resolved = await Promise.all(
    Object.entries(parameters).map(
      async ([name, value]) => [name, await resolve(name, value, environment)] as const,
    ),
  );
  return Object.fromEntries(resolved);
};

const resolve = async (name: string, value: string, environment: NodeJS.ProcessEnv): Promise<string> => {
  let text = '';
  let end = 0;
  for (const match of value.matchAll(/\$\{(env|file):([^}]*)\}/gu)) {
    const [reference, kind, target = ''] = match;
    text += value.slice(end, match.index);
    text += kind === 'env' ? fromEnvironment(name, target, environment) : await fromFile(name, target);
    end = match.index + reference.length;
  }
  return text + value.slice(end);
};

const fromEnvironment = (name: string, variable: string, environment: NodeJS.ProcessEnv): string => {
  const value = environment[variable];
  if (value === undefined) {
    throw invalid(
      `The connection parameter "${name}" needs the environment variable ${variable}, which is not set.`,
    );
  }
  return value;
};

const fromFile = async (name: string, path: string): Promise<string> => {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/u, '');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw invalid(`The connection parameter "${name}" needs the file ${path}, which ${reason}.`);
  }
};
