/** Reads `tahr.yaml`. Every mistake is found in one reading and named with its place: `tahr.yaml:3:5: …`. */
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { checkValues } from './check.ts';
import { configOptions, type OptionValues } from './options.ts';

export interface FileContents {
  readonly values: OptionValues;
  /** Sentences with their places. */
  readonly findings: readonly string[];
}

/** @param path is only used to name places */
export const parseConfigFile = (text: string, path: string): FileContents => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const located = (offset: number, sentence: string): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}: ${sentence}`;
  };
  if (document.errors.length > 0) {
    const findings = document.errors.map(({ pos, message }) =>
      located(pos[0], `${message.replace(/\.$/u, '')}.`),
    );
    return { values: {}, findings };
  }
  const { values, findings } = checkValues(document.toJS() ?? {}, (name) => configOptions[name].key);
  return {
    values,
    findings: findings.map(({ path, sentence }) => located(offsetOf(document, path), sentence)),
  };
};

/** Where the key stands; for something that has none, the start of the document. */
const offsetOf = (document: Document, path: readonly string[]): number => {
  const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  const pairs = isMap(parent) ? parent.items : [];
  const pair = pairs.find(({ key }) => isScalar(key) && String(key.value) === path.at(-1));
  const place = isScalar(pair?.key) ? pair.key : document.contents;
  return place?.range?.[0] ?? 0;
};
