/**
 * Names with wildcards, and names of relations. Pure.
 *
 * `*` and `%` stand for any characters. Nothing is folded to lower case: a name is what it says. In a relation
 * name, double quotes as in SQL keep dots, commas and wildcards from being special.
 */
import type { RelationName } from '../../model/topology.ts';
import { usageError } from './usage.ts';

export interface NamePattern {
  readonly text: string;
  readonly hasWildcard: boolean;
  readonly matches: (name: string) => boolean;
}

export interface RelationPattern {
  readonly text: string;
  readonly hasWildcard: boolean;
  readonly schema: NamePattern | null;
  readonly name: NamePattern;
}

export const namePattern = (text: string): NamePattern => {
  const expression = text.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/[*%]/g, '.*');
  const pattern = new RegExp(`^${expression}$`, 's');
  return { text, hasWildcard: /[*%]/.test(text), matches: (name) => pattern.test(name) };
};

const exactly = (text: string): NamePattern => ({
  text,
  hasWildcard: false,
  matches: (name) => name === text,
});

/** `orders`, `shop.orders`, `shop.*`, `"Order Lines"`, `shop."v1.orders"`. */
export const relationPattern = (text: string): RelationPattern => {
  const parts = relationParts(text);
  const [first, second] = parts;
  if (first === undefined || parts.length > 2) {
    throw usageError(
      `"${text}" is not the name of a relation.`,
      'Write NAME or SCHEMA.NAME; a part with a dot in it goes into double quotes.',
    );
  }
  const schema = second === undefined ? null : first;
  const name = second ?? first;
  return { text, schema, name, hasWildcard: name.hasWildcard || (schema?.hasWildcard ?? false) };
};

const relationParts = (text: string): NamePattern[] => {
  const parts: NamePattern[] = [];
  let rest = text;
  while (rest !== '') {
    const match = /^(?:"((?:[^"]|"")+)"|([^."]+))(\.(?=.)|$)/s.exec(rest);
    if (match === null) return [];
    const [whole, quoted, plain = ''] = match;
    parts.push(quoted === undefined ? namePattern(plain) : exactly(quoted.replaceAll('""', '"')));
    rest = rest.slice(whole.length);
  }
  return parts;
};

export const matchesRelation = (pattern: RelationPattern, relation: RelationName): boolean =>
  pattern.name.matches(relation.name) && (pattern.schema === null || pattern.schema.matches(relation.schema));
