/** Connection keywords and their values, checked: what is wrong becomes an error. */
import { connectionKeywords, keywordProblem, valueProblem } from '../model/connection-keywords.ts';
import { ReplicationError } from '../model/errors.ts';
import type { ConnectionParameters } from '../model/topology.ts';

export const invalid = (message: string): ReplicationError =>
  new ReplicationError('configuration_invalid', { message });

/** @throws ReplicationError `configuration_invalid` for a keyword that libpq does not have or we cannot honour */
export const assertKeyword = (name: string): void => {
  const problem = keywordProblem(name);
  if (problem !== null) throw invalid(problem);
};

/** @throws ReplicationError `configuration_invalid` for a value that does not exist */
export const assertValues = (parameters: ConnectionParameters): void => {
  for (const [name, value] of Object.entries(parameters)) {
    const problem = valueProblem(name, value);
    if (problem !== null) throw invalid(problem);
  }
};

/** What the environment says, by keyword. */
export const readEnvironment = (environment: NodeJS.ProcessEnv): Record<string, string> => {
  const parameters: Record<string, string> = {};
  for (const [name, keyword] of Object.entries(connectionKeywords)) {
    const value = keyword.environment === undefined ? undefined : environment[keyword.environment];
    if (value === undefined || value === '') continue;
    assertKeyword(name);
    parameters[name] = value;
  }
  return parameters;
};

export const defaultValues = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(connectionKeywords).flatMap(([name, keyword]) =>
      keyword.default === undefined ? [] : [[name, keyword.default]],
    ),
  );
