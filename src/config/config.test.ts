import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { FindingsError } from '../model/errors.ts';
import { type ConfigSources, controlOf, loadConfig } from './config.ts';
import { parseConfigFile } from './file.ts';
import { configOptions, optionNames } from './options.ts';
import { renderConfigReference } from './reference.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tahr-config-'));
  onTestFinished(() => rm(home, { recursive: true }));
});

const load = (sources: Partial<ConfigSources> = {}) =>
  loadConfig({ flags: {}, cwd: home, ...sources, environment: { HOME: home, ...sources.environment } });

test('without anything there are defaults and no control database', async () => {
  const config = await load();
  expect(config).toEqual({
    control: null,
    schema: 'tahr',
    logLevel: 'info',
    logDestination: null,
    stateDirectory: join(home, '.local/state/tahr'),
    file: null,
  });
  expect(() => controlOf(config)).toThrow(expect.objectContaining({ code: 'configuration_invalid' }));
});

test('a flag comes before the environment, the environment before the file', async () => {
  await writeFile(join(home, 'tahr.yaml'), 'control: host=file\nschema: file\nlog_level: debug\n');
  const config = await load({
    flags: { control: 'host=flag' },
    environment: { TAHR_CONTROL: 'host=environment', TAHR_SCHEMA: 'environment' },
  });
  expect(config).toMatchObject({ control: { host: 'flag' }, schema: 'environment', logLevel: 'debug' });
  expect(config.file).toBe(join(home, 'tahr.yaml'));
});

test('the working directory comes before the home directory', async () => {
  const cwd = join(home, 'work');
  await mkdir(cwd);
  await mkdir(join(home, '.config/tahr'), { recursive: true });
  await writeFile(join(home, '.config/tahr/tahr.yaml'), 'schema: home\n');
  expect((await load({ cwd })).schema).toBe('home');
  await writeFile(join(cwd, 'tahr.yaml'), 'schema: work\n');
  expect((await load({ cwd })).schema).toBe('work');
  expect((await load({ cwd, environment: { TAHR_CONFIG: '../.config/tahr/tahr.yaml' } })).schema).toBe(
    'home',
  );
});

test('a file that is named must exist', async () => {
  await expect(load({ explicitFile: 'missing.yaml' })).rejects.toMatchObject({
    code: 'configuration_invalid',
    message: `The configuration file ${join(home, 'missing.yaml')} does not exist.`,
  });
});

test('a relative path is meant from the file, or from the working directory', async () => {
  await mkdir(join(home, 'etc'));
  await writeFile(join(home, 'etc/tahr.yaml'), 'state_directory: state\nlog_destination: stderr\n');
  const config = await load({ explicitFile: 'etc/tahr.yaml', flags: { logDestination: 'tahr.log' } });
  expect(config.stateDirectory).toBe(join(home, 'etc/state'));
  expect(config.logDestination).toBe(join(home, 'tahr.log'));
});

test('the control database can be a mapping with references', async () => {
  await writeFile(join(home, 'tahr.yaml'), 'control:\n  host: db\n  port: 5433\n  sslmode: ${env:MODE}\n');
  expect((await load()).control).toEqual({ host: 'db', port: '5433', sslmode: '${env:MODE}' });
});

test('mistakes in the file, the environment and the flags are reported together', async () => {
  await writeFile(join(home, 'tahr.yaml'), 'schemas: x\n');
  const failure = load({ flags: { logLevel: 'loud' }, environment: { TAHR_CONTROL: "password='secret" } });
  await expect(failure).rejects.toBeInstanceOf(FindingsError);
  await expect(failure).rejects.toMatchObject({
    findings: [
      { message: `${join(home, 'tahr.yaml')}:1:1: "schemas" is not a setting. Did you mean "schema"?` },
      { message: expect.stringMatching(/^TAHR_CONTROL: The value of "password"/u) as string },
      { message: '--log-level must be one of debug, info, warn, error.' },
    ],
  });
});

test.each([
  ['contrl: x', ['1:1: "contrl" is not a setting. Did you mean "control"?']],
  ['# a\nlog_level: loud', ['2:1: log_level must be one of debug, info, warn, error.']],
  ['schema: 5\nlog_levl: info', ['1:1: schema must be a name', '2:1: "log_levl" is not a setting']],
  [
    'control:\n  host: a\n  hots: b\n  sslmode: on',
    ['3:3: "hots" is not a connection keyword. Did you mean "host"?', '4:3: sslmode=on is not possible'],
  ],
  ['control: "hots=b"', ['1:1: "hots" is not a connection keyword.']],
  ['control: [a]', ['1:1: control must be a connection string or a mapping']],
  ['control:\n  host: {a: 1}', ['1:1: control must be']],
  ['schema: pg_x', ['1:1: schema must be a name']],
  ['schema: a\nschema: b', ['2:1: Map keys must be unique.']],
  ['a: b: c', ['1:4: ']],
  ['- a', ['1:1: The file must be a mapping of settings.']],
  ['just text', ['1:1: The file must be a mapping of settings.']],
])('finds every mistake in %j', (text, expected) => {
  const { findings } = parseConfigFile(text, 'tahr.yaml');
  expect(findings).toHaveLength(expected.length);
  for (const [index, sentence] of expected.entries())
    expect(findings[index]).toContain(`tahr.yaml:${sentence}`);
});

test.each(['', '# nothing\n', '---\n'])('the file %j sets nothing and is no mistake', (text) => {
  expect(parseConfigFile(text, 'tahr.yaml')).toEqual({ values: {}, findings: [] });
});

test('the reference page names every key, variable and flag', () => {
  const page = renderConfigReference();
  for (const name of optionNames) {
    const { key, environment, flags } = configOptions[name];
    for (const word of [key, environment, flags]) expect(page).toContain(`\`${word}\``);
  }
});
