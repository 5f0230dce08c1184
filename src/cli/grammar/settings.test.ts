import { expect, test } from 'vitest';
import { key, readSettings } from './settings.ts';
import { boolean, text } from './values.ts';

const keys = { relgroup: key(text, 'NAME', ['herd']), autokick: key(boolean, 'on or off', ['ping']) };

test('settings are read by their keys and their older names', () => {
  const words = [
    { key: 'herd', value: 'shop' },
    { key: 'ping', value: 'off' },
  ];
  expect(readSettings(keys, words, 'add sync')).toEqual({ relgroup: 'shop', autokick: false });
});

test('an unknown key is refused with the nearest, and the hint lists all', () => {
  const read = () => readSettings(keys, [{ key: 'relgrop', value: 'x' }], 'add sync');
  expect(read).toThrow('`tahr add sync` has no setting "relgrop". Did you mean "relgroup"?');
  expect(read).toThrow(expect.objectContaining({ hint: 'It takes: relgroup, autokick.' }));
});

test('a key given twice is refused, also under two names', () => {
  const words = [
    { key: 'herd', value: 'a' },
    { key: 'relgroup', value: 'b' },
  ];
  expect(() => readSettings(keys, words, 'add sync')).toThrow('relgroup is given twice');
});
