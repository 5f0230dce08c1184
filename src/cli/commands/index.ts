/**
 * Every command there is, by its verb, in the order of the help. Each is loaded with what it needs when it is asked for: most
 * need neither the setup of databases nor the engine, and loading both takes longer than what they do.
 */
import type { Command } from '../command.ts';
import type { Verb } from '../grammar/verbs.ts';

export type CommandVerb = Exclude<Verb, 'help'>;

const loaders: Readonly<Record<CommandVerb, () => Promise<readonly Command[]>>> = {
  install: async () => [(await import('./install.ts')).install],
  uninstall: async () => [(await import('./uninstall.ts')).uninstallDb],
  add: async () => (await import('./with-noun.ts')).add,
  list: async () => (await import('./with-noun.ts')).list,
  update: async () => (await import('./with-noun.ts')).update,
  remove: async () => (await import('./with-noun.ts')).remove,
  validate: async () => [(await import('./validate.ts')).validate],
  activate: async () => [(await import('./activation.ts')).activate],
  deactivate: async () => [(await import('./activation.ts')).deactivate],
  start: async () => [(await import('./daemon.ts')).start],
  run: async () => [(await import('./daemon.ts')).run],
  stop: async () => [(await import('./daemon.ts')).stop],
  restart: async () => [(await import('./daemon.ts')).restart],
  status: async () => [(await import('./status.ts')).status],
  inspect: async () => [(await import('./inspect.ts')).inspect],
  kick: async () => [(await import('./kick.ts')).kick],
  pause: async () => [(await import('./activation.ts')).pause],
  resume: async () => [(await import('./activation.ts')).resume],
  conflicts: async () => [(await import('./conflicts.ts')).conflicts],
  decide: async () => [(await import('./decide.ts')).decide],
};

/** One for each noun that the verb takes, or one that stands alone. */
export const commandsOf = (verb: CommandVerb): Promise<readonly Command[]> => loaders[verb]();

/** For the help and the reference. */
export const allCommands = async (): Promise<readonly Command[]> =>
  (await Promise.all(Object.values(loaders).map((load) => load()))).flat();
