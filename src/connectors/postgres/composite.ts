/**
 * Composite types inside columns. Their values travel by the places of the attributes, in either form, so the same type
 * must have the same attributes in the same order everywhere; the labels of an enum go by name, and need not be
 * compared. Pure.
 */

export interface Attribute {
  readonly name: string;
  /** `format_type` with modifiers, schema-qualified where it is not in pg_catalog. */
  readonly type: string;
}

export interface CompositeType {
  readonly name: string;
  readonly attributes: readonly Attribute[];
}

export interface CompositeDifference {
  readonly type: string;
  /** The name of the first attribute that differs, on the side that has one. */
  readonly attribute: string;
  /** What the two sides have, as the end of a sentence. */
  readonly what: string;
}

/** The first place at which the composite types that are sent differ from those that receive; null where none does. */
export const findDifference = (
  sent: readonly CompositeType[],
  received: readonly CompositeType[],
): CompositeDifference | null => {
  for (const type of sent) {
    const counterpart = received.find(({ name }) => name === type.name);
    const difference = compare(type, counterpart?.attributes ?? []);
    if (difference !== null) return difference;
  }
  return null;
};

const compare = (
  { name, attributes }: CompositeType,
  received: readonly Attribute[],
): CompositeDifference | null => {
  const count = Math.max(attributes.length, received.length);
  for (let index = 0; index < count; index += 1) {
    const [one, other] = [attributes[index], received[index]];
    if (one?.name === other?.name && one?.type === other?.type) continue;
    return {
      type: name,
      attribute: (one ?? other)?.name ?? '',
      what: `attribute ${index + 1} of the type ${name} is ${describe(other)} and not ${describe(one)}`,
    };
  }
  return null;
};

const describe = (attribute: Attribute | undefined): string =>
  attribute === undefined ? 'nothing' : `"${attribute.name}" ${attribute.type}`;
