/**
 * Whether every value of one column's type can be stored in another's without a change (engine rule R8). PostgreSQL
 * itself would round and cut without a word. Pure.
 */
import type { Column } from '../connectors/postgres/table.ts';

interface ParsedType {
  readonly name: string;
  /** The modifiers, `[10, 4]` in `numeric(10,4)[]`; empty where there are none. */
  readonly modifiers: readonly number[];
  /** `[]` for arrays. */
  readonly suffix: string;
}

/** `numeric(10,4)`, `character varying(20)[]`, `timestamp(3) without time zone` */
const parse = (type: string): ParsedType => {
  const match = /^(?<before>[^(]*)\((?<modifiers>[0-9, -]+)\)(?<after>[^[]*)(?<suffix>(?:\[\])?)$/.exec(
    type,
  )?.groups;
  if (match === undefined) {
    const isArray = type.endsWith('[]');
    return { name: isArray ? type.slice(0, -2) : type, modifiers: [], suffix: isArray ? '[]' : '' };
  }
  return {
    name: `${match['before']}${match['after']}`,
    modifiers: (match['modifiers'] ?? '').split(',').map(Number),
    suffix: match['suffix'] ?? '',
  };
};

/** Each type holds all values of those before it. */
const families: readonly (readonly string[])[] = [
  ['smallint', 'integer', 'bigint'],
  ['character varying', 'text'],
];

export const typeFits = (from: Column, to: Column): boolean => {
  if (from.type === to.type) return true;
  if (isDomain(from) || isDomain(to)) return domainFits(from, to);
  const [source, target] = [parse(from.type), parse(to.type)];
  if (source.suffix !== target.suffix) return false;
  if (source.name === target.name) return modifiersFit(source, target);
  const family = families.find((types) => types.includes(source.name) && types.includes(target.name));
  if (family === undefined || target.modifiers.length > 0) return false;
  return family.indexOf(source.name) < family.indexOf(target.name);
};

/** Types that `format_type` calls otherwise when they have no modifiers. */
const bareNames: Readonly<Record<string, string>> = { character: 'bpchar', bit: '"bit"' };

const isDomain = ({ type, baseType }: Column): boolean => {
  const { name, suffix } = parse(type);
  return `${bareNames[name] ?? name}${suffix}` !== baseType;
};

/** Domains on one side only must meet the bare type on the other: what modifiers a domain has is not known here. */
const domainFits = (from: Column, to: Column): boolean =>
  from.baseType === to.baseType && to.type === to.baseType;

const modifiersFit = (source: ParsedType, target: ParsedType): boolean => {
  if (target.modifiers.length === 0) return true;
  const [size = 0, scale = 0] = source.modifiers;
  const [targetSize = 0, targetScale = 0] = target.modifiers;
  if (source.modifiers.length === 0) return false;
  if (source.name === 'numeric') return targetScale >= scale && targetSize - targetScale >= size - scale;
  // A longer char(n) pads the value, and a longer bit(n) does not take a shorter one.
  if (source.name === 'character' || source.name === 'bit') return size === targetSize;
  return targetSize >= size;
};
