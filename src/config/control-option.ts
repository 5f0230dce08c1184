/** The option `control`: a connection string, or a mapping of the same keywords, each checked where it stands. */
import { z } from 'zod';
import { parseConninfo } from '../model/conninfo.ts';
import { keywordProblem, valueProblem } from '../model/connection-keywords.ts';
import { isReplicationError } from '../model/errors.ts';
import type { ConnectionParameters } from '../model/topology.ts';

/** Numbers are allowed because `port: 5432` is what everybody writes. */
const shape = z.union([
  z.string().min(1),
  z.record(z.string(), z.union([z.string(), z.number().transform(String)])),
]);

export const controlOption = shape.transform((value, context): ConnectionParameters => {
  const report = (message: string, path: readonly string[] = []): void =>
    context.addIssue({ code: 'custom', message, path: [...path] });
  if (typeof value === 'string') return parsedText(value, report);
  for (const [name, text] of Object.entries(value)) {
    const isReference = text.includes('${');
    const problem = keywordProblem(name) ?? (isReference ? null : valueProblem(name, text));
    if (problem !== null) report(problem, [name]);
  }
  return value;
});

const parsedText = (text: string, report: (message: string) => void): ConnectionParameters => {
  try {
    return parseConninfo(text);
  } catch (error) {
    if (!isReplicationError(error)) throw error;
    report(error.message);
    return {};
  }
};
