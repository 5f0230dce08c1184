/**
 * SQL as values: a template whose holes are parameters, identifiers or further SQL, never text.
 *
 * One fragment can be rendered two ways: with `$n` parameters for the extended protocol, or with every value as
 * a quoted literal, for COPY and for several statements in one message, which take no parameters.
 */
import pg from 'pg';

export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly (string | number | bigint | null)[];

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly value: SqlValue };

export class Sql {
  readonly parts: readonly Part[];
  /** See `planned`. */
  readonly isPlanned: boolean;

  constructor(parts: readonly Part[], isPlanned = false) {
    this.parts = parts;
    this.isPlanned = isPlanned;
  }

  /**
   * The same statement, which a session plans once and not each time: for statements that come with every round. Every value
   * needs a cast, or a place that tells its type. Inside another statement it is as any other.
   */
  planned(): Sql {
    return new Sql(this.parts, true);
  }

  /** With `$n` parameters. At most 65,535 of them (the protocol counts them in 16 bits). */
  parametrized(): { text: string; values: (string | null)[] } {
    const values: (string | null)[] = [];
    const text = this.parts
      .map((part) => (part.kind === 'text' ? part.text : `$${values.push(wireText(part.value))}`))
      .join('');
    if (values.length > 65_535) throw new RangeError(`${values.length} parameters in one statement`);
    return { text, values };
  }

  /** With every value as a quoted literal. */
  inlined(): string {
    return this.parts.map((part) => (part.kind === 'text' ? part.text : literal(part.value))).join('');
  }
}

const text = (value: string): Sql => new Sql([{ kind: 'text', text: value }]);

/** ``sql`select ${value}::int from ${sql.id('schema', 'table')}` `` */
export const sql = (strings: TemplateStringsArray, ...holes: readonly (Sql | SqlValue)[]): Sql => {
  const parts: Part[] = [];
  strings.forEach((chunk, index) => {
    parts.push({ kind: 'text', text: chunk });
    if (index >= holes.length) return;
    const hole = holes[index] as Sql | SqlValue;
    if (hole instanceof Sql) parts.push(...hole.parts);
    else parts.push({ kind: 'value', value: hole });
  });
  return new Sql(parts);
};

/** A quoted identifier: `sql.id('public', 'Order Lines')` is `"public"."Order Lines"`. */
sql.id = (...names: readonly [string, ...string[]]): Sql =>
  text(names.map((name) => pg.escapeIdentifier(name)).join('.'));

/** A value that must be a literal also where parameters are used (DDL, function bodies, partial index predicates). */
sql.literal = (value: SqlValue): Sql => text(literal(value));

/** Fragments with a separator between them. */
sql.join = (fragments: readonly Sql[], separator = ', '): Sql =>
  new Sql(
    fragments.flatMap((fragment, index) =>
      index === 0 ? fragment.parts : [{ kind: 'text' as const, text: separator }, ...fragment.parts],
    ),
  );

sql.empty = text('');

/** Text that is SQL already: the contents of a `.sql` file, or a type name as the server's `format_type` wrote it. */
sql.verbatim = text;

const wireText = (value: SqlValue): string | null => {
  if (value === null) return null;
  return Array.isArray(value) ? arrayText(value) : String(value);
};

const literal = (value: SqlValue): string => literalOf(wireText(value));

/** Of a value as it is sent. */
export const literalOf = (wire: string | null): string => (wire === null ? 'null' : pg.escapeLiteral(wire));

/** The text form of an array (PostgreSQL manual, 8.15.6), with every element quoted that is no number. */
const arrayText = (elements: readonly (string | number | bigint | null)[]): string =>
  `{${elements.map(elementText).join()}}`;

const elementText = (element: string | number | bigint | null): string => {
  if (element === null) return 'NULL';
  return typeof element === 'string'
    ? `"${element.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
    : String(element);
};
