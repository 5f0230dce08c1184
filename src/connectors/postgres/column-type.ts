/**
 * What the catalogue says about a type, and what follows from it: how a value travels (engine rule R8), in which
 * type a delta keeps a key (§10), and how that delta finds its row again through the key's index.
 *
 * Pure: the facts are read by `catalogue.ts`. All names of types are as `format_type` writes them under
 * `search_path = pg_catalog`, so every other schema is written out.
 */
import type { Attribute, CompositeType } from './composite.ts';

export interface TypeFacts {
  readonly oid: string;
  readonly name: string;
  /** In pg_catalog, and therefore the same on every server. */
  readonly isBuiltIn: boolean;
  readonly kind: 'base' | 'array' | 'composite' | 'domain' | 'enum' | 'range' | 'multirange';
  /** Has functions to send and to receive its binary form. */
  readonly hasBinaryForm: boolean;
  /** What it is made of: the element, the type below the domain, the subtype, the attributes. */
  readonly components: readonly string[];
  /** For a domain the type that it is over, with its modifiers; null for any other type. */
  readonly typeBelow: string | null;
  /** Those of a composite type, in order; empty for any other type. */
  readonly attributes: readonly Attribute[];
}

export type TypeCatalogue = ReadonlyMap<string, TypeFacts>;

/** As `server_version_num`: the server that is read, and the oldest one that takes part. */
export interface ServerVersions {
  readonly own: number;
  readonly oldest: number;
}

/**
 * Types whose binary form means another thing elsewhere (an oid, a locale's currency, an encoding declaration), or
 * that do not take back what they send (an empty tsquery).
 */
const travelAsText: ReadonlySet<string> = new Set([
  'regproc',
  'regprocedure',
  'regoper',
  'regoperator',
  'regclass',
  'regcollation',
  'regtype',
  'regrole',
  'regnamespace',
  'regconfig',
  'regdictionary',
  'regdatabase',
  'xml',
  'money',
  'aclitem',
  'tsquery',
]);

/** The first version in which the type has infinite values, which older servers misread in binary. */
const infinitySince: Readonly<Record<string, number>> = { interval: 170000, numeric: 140000 };

export const transportOf = (
  oid: string,
  types: TypeCatalogue,
  versions: ServerVersions,
): 'binary' | 'text' => (isBinarySafe(oid, types, versions) ? 'binary' : 'text');

const isBinarySafe = (oid: string, types: TypeCatalogue, versions: ServerVersions): boolean => {
  const type = types.get(oid);
  if (type === undefined || !type.hasBinaryForm || travelAsText.has(type.name)) return false;
  // What an extension sends may differ between its versions; its text form is what users rely on.
  if (type.kind === 'base' && !type.isBuiltIn) return false;
  const since = infinitySince[type.name];
  if (since !== undefined && versions.own >= since && versions.oldest < since) return false;
  const carriesOids = type.kind === 'array' || type.kind === 'composite';
  // Up to version 13 a receiver insists on its own oids inside arrays and composites.
  if (
    carriesOids &&
    versions.oldest < 140000 &&
    type.components.some((part) => types.get(part)?.isBuiltIn !== true)
  )
    return false;
  return type.components.every((part) => isBinarySafe(part, types, versions));
};

/** The type below all domains. */
export const baseTypeOf = (oid: string, types: TypeCatalogue): TypeFacts => {
  const type = types.get(oid);
  if (type === undefined) throw new Error(`type ${oid} was not read from the catalogue`);
  const below = type.components[0];
  return type.kind === 'domain' && below !== undefined ? baseTypeOf(below, types) : type;
};

/** The type below all domains with the modifiers that hold there, for a column of the type `declared`. */
export const storedTypeOf = (oid: string, declared: string, types: TypeCatalogue): string => {
  const type = types.get(oid);
  const below = type?.components[0];
  return type?.kind === 'domain' && below !== undefined
    ? storedTypeOf(below, type.typeBelow ?? declared, types)
    : declared;
};

/** The composite types inside the type, itself included, once each. */
export const compositesOf = (oid: string, types: TypeCatalogue): CompositeType[] => {
  const seen = new Set<string>();
  const visit = (part: string): CompositeType[] => {
    const type = types.get(part);
    if (type === undefined || seen.has(part)) return [];
    seen.add(part);
    const inside = type.components.flatMap(visit);
    return type.kind === 'composite' ? [{ name: type.name, attributes: type.attributes }, ...inside] : inside;
  };
  return visit(oid);
};

/** The widest type of a family: a column that is made wider later still fits into the deltas. */
const widest: Readonly<Record<string, string>> = {
  smallint: 'bigint',
  integer: 'bigint',
  'character varying': 'text',
  name: 'text',
  real: 'double precision',
};

/** Built-in types of which equal values always have equal bytes, as far as their collation allows. */
const equalByBytes: ReadonlySet<string> = new Set([
  'bigint',
  'boolean',
  'bytea',
  'date',
  'integer',
  'oid',
  'smallint',
  'text',
  'character varying',
  'name',
  '"char"',
  'time without time zone',
  'timestamp with time zone',
  'timestamp without time zone',
  'uuid',
  'inet',
  'cidr',
  'macaddr',
  'macaddr8',
  'pg_lsn',
  'xid8',
]);

export interface KeyType {
  readonly deltaType: string;
  /** SQL after the delta's column that makes it a value which the key's index understands; often empty. */
  readonly suffix: string;
  /** SQL after a column of a domain that makes it a value of the type below; empty for any other column. */
  readonly domainSuffix: string;
  readonly equalityIsBytes: boolean;
}

/** The collation of a key's index column, quoted and with its schema; null where it is the database's default. */
export interface KeyCollation {
  readonly name: string | null;
  readonly isDeterministic: boolean;
}

/**
 * How a key of this type is kept in the deltas. The trigger assigns the key to the delta's column, so nothing in it
 * depends on the settings of the application's session: the types whose text form does are kept as they are.
 * Enums and types of extensions are kept as text, because a delta of the type itself would keep
 * applications from dropping the type.
 */
export const keyTypeOf = (oid: string, types: TypeCatalogue, collation: KeyCollation): KeyType => {
  const type = baseTypeOf(oid, types);
  const domainSuffix = type.oid === oid ? '' : `::${type.name}`;
  const collate = collation.name === null ? '' : ` collate ${collation.name}`;
  const equalityIsBytes = (equalByBytes.has(type.name) || type.kind === 'enum') && collation.isDeterministic;
  if (type.kind === 'enum' || (type.kind === 'base' && !type.isBuiltIn))
    return { deltaType: 'text', suffix: `::${type.name}${collate}`, domainSuffix, equalityIsBytes };
  const element = type.kind === 'array' ? types.get(type.components[0] ?? '') : undefined;
  if (element?.kind === 'enum')
    return { deltaType: 'text[]', suffix: `::${type.name}`, domainSuffix, equalityIsBytes };
  return { deltaType: widest[type.name] ?? type.name, suffix: collate, domainSuffix, equalityIsBytes };
};
