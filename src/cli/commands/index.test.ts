import { expect, test } from 'vitest';
import { commandName } from '../command.ts';
import { allCommands, type CommandVerb, commandsOf } from './index.ts';

test('each command is found by its verb, and by its noun if it has one', async () => {
  const commands = await allCommands();
  for (const { verb, noun } of commands) {
    const found = await commandsOf(verb as CommandVerb);
    expect(found.filter((command) => command.verb === verb && command.noun === noun)).toHaveLength(1);
  }
  expect(new Set(commands.map(commandName)).size).toBe(commands.length);
});
