import { expect, test } from 'vitest';
import { parseHistory, parseLsn, reaches } from './timeline.ts';

test('a place in the log is a number of 64 bits in two halves', () => {
  expect(parseLsn('0/3000148')).toBe(0x3000148n);
  expect(parseLsn('16/B374D848')).toBe(0x16_b374_d848n);
});

test('the history of a timeline says where each earlier one was left, whatever else stands there', () => {
  const text = '1\t0/3000148\tno recovery target specified\n\n# a note\n3\t1/0\tbefore 2000-01-01\n';
  expect([...parseHistory(text)]).toEqual([
    [1, 0x3000148n],
    [3, 0x1_0000_0000n],
  ]);
  expect(parseHistory('')).toEqual(new Map());
});

test('what was written before a place is there when the log reaches it', () => {
  expect(reaches(0x3000148n, 0x3000148n)).toBe(true);
  expect(reaches(0x3000147n, 0x3000148n)).toBe(false);
});

test('the start of a page and the place behind its header are the same place', () => {
  expect(reaches(0x3002000n, 0x3002018n)).toBe(true);
  expect(reaches(0x3000000n, 0x3000028n)).toBe(true);
  expect(reaches(0x3002000n, 0x3002048n)).toBe(false);
  expect(reaches(0x3001ff8n, 0x3002018n)).toBe(false);
});
