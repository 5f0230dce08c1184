import { expect, test } from 'vitest';
import { passwordIn } from './password.ts';

const account = { host: 'db.example.com', port: 5432, dbname: 'shop', user: 'app' };

test.each([
  ['db.example.com:5432:shop:app:secret', 'secret'],
  ['*:*:*:*:secret', 'secret'],
  ['db.example.com:5433:shop:app:no\n*:5432:*:app:yes', 'yes'],
  ['*:*:*:*:first\n*:*:*:*:second', 'first'],
  ['#*:*:*:*:comment\n*:*:*:*:secret', 'secret'],
  [String.raw`*:*:*:*:with\:colon\\and:more`, String.raw`with:colon\and:more`],
  ['*:*:*:*:windows\r\n', 'windows'],
  ['other:5432:shop:app:no', null],
  ['*:*:*:*:', null],
  ['not a password line', null],
  [':5432:shop:app:empty', null],
  ['', null],
])('the line %j gives %j', (text, password) => {
  expect(passwordIn(text, account)).toBe(password);
});

test('escaped fields are compared as what they mean', () => {
  expect(
    passwordIn(String.raw`\:\:1:*:*:a\\b:secret`, { ...account, host: '::1', user: String.raw`a\b` }),
  ).toBe('secret');
});
