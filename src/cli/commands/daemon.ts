/** `start`, `run`, `stop`, `restart`. */
import { ReplicationError } from '../../model/errors.ts';
import { createLog } from '../../runtime/log.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { currentDaemon, startDaemon, stopDaemon } from '../daemon-control.ts';

const logOptions = ['logDestination', 'logLevel', 'stateDirectory'] as const;

export const start = command({
  verb: 'start',
  form: '',
  summary: 'Start the daemon in the background, and wait until it is at work.',
  details: 'Its log is a file in the state directory, unless --log-destination names another.',
  keys: {},
  options: logOptions,
  run: async (_invocation, context) => {
    const daemon = await currentDaemon(context);
    if (daemon !== null) {
      throw new ReplicationError('daemon_already_running', {
        message: `A daemon is running already: process ${daemon.pid} on ${daemon.host}.`,
      });
    }
    return startAndSay(context);
  },
});

const startAndSay = async (context: Context): Promise<ExitCode> => {
  context.out.say('Starting Tahr');
  const { pid, log } = await startDaemon(context);
  context.out.say(`The daemon is at work: process ${pid}, log ${log}`);
  return ExitCode.done;
};

export const run = command({
  verb: 'run',
  form: '',
  summary: 'Run the daemon in the foreground, for service managers and containers.',
  details: 'SIGTERM or SIGINT ends it after the rounds under way; a second one ends it at once.',
  keys: {},
  options: logOptions,
  run: async (_invocation, context) => {
    const config = await context.config();
    // Loaded here only: no other command needs the engine.
    const { runDaemon } = await import('../../daemon/daemon.ts');
    const log = createLog({ level: config.logLevel, destination: config.logDestination ?? 'stderr' });
    await runDaemon({ config, log, signal: context.signal });
    return ExitCode.done;
  },
});

export const stop = command({
  verb: 'stop',
  form: '',
  summary: 'Stop the daemon, wherever it runs, and wait until it has ended.',
  keys: {},
  run: async (_invocation, context) => {
    await stopAndSay(context);
    return ExitCode.done;
  },
});

const stopAndSay = async (context: Context): Promise<void> => {
  const daemon = await currentDaemon(context);
  if (daemon === null) return context.out.say('No daemon is running.');
  await stopDaemon(context, daemon);
  return context.out.say(`The daemon has stopped (process ${daemon.pid} on ${daemon.host}).`);
};

export const restart = command({
  verb: 'restart',
  form: '',
  summary: 'Stop the daemon if one is running, and start it on this host.',
  keys: {},
  options: logOptions,
  run: async (_invocation, context) => {
    await stopAndSay(context);
    return startAndSay(context);
  },
});
