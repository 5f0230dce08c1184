import { expect, test } from 'vitest';
import { parseConninfo } from './conninfo.ts';
import { redacted } from './connection-keywords.ts';

test.each([
  ['host=db dbname=shop', { host: 'db', dbname: 'shop' }],
  ['  host = db\tport= 5433 \n', { host: 'db', port: '5433' }],
  [String.raw`password='it\'s a \\ secret' user=me`, { password: String.raw`it's a \ secret`, user: 'me' }],
  [String.raw`password=a\ b\\c user=me`, { password: String.raw`a b\c`, user: 'me' }],
  ["password='' user=me", { password: '', user: 'me' }],
  ["application_name='a=b' host=x", { application_name: 'a=b', host: 'x' }],
  ['host=a host=b', { host: 'b' }],
  ['', {}],
])('reads the pairs %j', (text, parameters) => {
  expect(parseConninfo(text)).toEqual(parameters);
});

test.each([
  ['postgresql://', {}],
  ['postgres://localhost', { host: 'localhost' }],
  ['postgresql://localhost:5433/shop', { host: 'localhost', port: '5433', dbname: 'shop' }],
  [
    'postgresql://me:p%40ss%2Fword@db/shop',
    { user: 'me', password: 'p@ss/word', host: 'db', dbname: 'shop' },
  ],
  ['postgresql://me@', { user: 'me' }],
  ['postgresql:///shop?host=/run/pg&port=6', { dbname: 'shop', host: '/run/pg', port: '6' }],
  ['postgresql://%2Fvar%2Flib%2Fpg/shop', { host: '/var/lib/pg', dbname: 'shop' }],
  ['postgresql://[2001:db8::1]:5433/shop', { host: '2001:db8::1', port: '5433', dbname: 'shop' }],
  ['postgresql://a:1,b,[::1]:3/x', { host: 'a,b,::1', port: '1,,3', dbname: 'x' }],
  [
    'postgresql://h/d?sslmode=require&application_name=a%20b',
    { host: 'h', dbname: 'd', sslmode: 'require', application_name: 'a b' },
  ],
  ['postgresql://h?ssl=true', { host: 'h', sslmode: 'require' }],
  ['postgresql://me:a+b:c@h', { user: 'me', password: 'a+b:c', host: 'h' }],
])('reads the URI %j', (text, parameters) => {
  expect(parseConninfo(text)).toEqual(parameters);
});

test.each([
  ['host', 'not of the form keyword=value at character 1'],
  ['host=a secret', 'not of the form keyword=value at character 8'],
  ["password='secret", 'The value of "password"'],
  ["password='secret'secret", 'The value of "password"'],
  ['hots=secret', '"hots" is not a connection keyword. Did you mean "host"?'],
  ['replication=secret', '"replication" is not supported'],
  ['postgresql://me:secret%zz@h', 'The password in the connection URI'],
  ['postgresql://h:secret/x', 'Host 1 of the connection URI'],
  ['postgresql://h?sslmode', '"sslmode" of the connection URI'],
  ['postgresql://h?dbnam=secret', 'Did you mean "dbname"?'],
])('names what is wrong with %j and does not repeat the text', (text, sentence) => {
  expect(() => parseConninfo(text)).toThrow(
    expect.objectContaining({
      code: 'configuration_invalid',
      message: expect.stringContaining(sentence) as string,
    }),
  );
  expect(() => parseConninfo(text)).not.toThrow(/secret/u);
});

test('what is shown of parameters has no secret in it, and can be read again', () => {
  const shown = redacted({
    host: 'a b',
    password: 'secret',
    sslpassword: 'secret',
    pasword: 'secret',
    user: "o'neil",
  });
  expect(shown).not.toContain('secret');
  expect(shown).toBe(String.raw`host='a b' password=*** sslpassword=*** pasword=*** user='o\'neil'`);
});
