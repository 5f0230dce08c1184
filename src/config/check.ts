/** Values checked against the table of options; what is wrong comes back as sentences that never repeat a value. */
import { z } from 'zod';
import { didYouMean } from '../model/nearest.ts';
import { configOptions, optionNames, type OptionName, type OptionValues } from './options.ts';

interface Finding {
  /** Keys from the outside in; empty for the whole. */
  readonly path: readonly string[];
  readonly sentence: string;
}

export interface Checked {
  readonly values: OptionValues;
  readonly findings: readonly Finding[];
}

/** How a source calls an option: its key in the file, its variable, its flag. */
export type Naming = (name: OptionName) => string;

/** @param input by the names that `naming` gives */
export const checkValues = (input: unknown, naming: Naming): Checked => {
  const shape = optionNames.map((name) => [naming(name), configOptions[name].schema.optional()] as const);
  const result = z.strictObject(Object.fromEntries(shape)).safeParse(input);
  if (!result.success)
    return { values: {}, findings: result.error.issues.flatMap((issue) => explain(issue, naming)) };
  const values = optionNames.map((name) => [name, result.data[naming(name)]] as const);
  return {
    values: Object.fromEntries(values.filter(([, value]) => value !== undefined)),
    findings: [],
  };
};

const explain = (issue: z.core.$ZodIssue, naming: Naming): Finding[] => {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const known = optionNames.map((name) => naming(name));
    return issue.keys.map((key) => ({
      path: [...path, key],
      sentence: `"${key}" is not a setting.${didYouMean(key, known)}`,
    }));
  }
  const name = optionNames.find((name) => naming(name) === path[0]);
  if (name === undefined) return [{ path, sentence: 'The file must be a mapping of settings.' }];
  const isOwnSentence = name === 'control' && issue.code === 'custom';
  const sentence = isOwnSentence ? issue.message : `${naming(name)} must be ${configOptions[name].expected}.`;
  return [{ path, sentence }];
};
