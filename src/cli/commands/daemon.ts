/** `start`, `run`, `stop`, `restart`. */
import type { DaemonFacts } from '../../control/daemon.ts';
import { ReplicationError } from '../../model/errors.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { currentDaemons, isHere, isRunningHere, startDaemon, stopDaemons } from '../daemon-control.ts';

const logOptions = ['logDestination', 'logLevel', 'stateDirectory'] as const;

export const start = command({
  verb: 'start',
  form: '',
  summary: 'Start the daemon of this host in the background, and wait until it is at work.',
  details: [
    'Its log is a file in the state directory, unless --log-destination names another. Daemons on several hosts share the syncs;',
    'each sync is worked on by one of them, and by another one within 15 seconds if that one is lost.',
  ].join(' '),
  keys: {},
  options: logOptions,
  run: async (_invocation, context) => {
    const daemon = (await currentDaemons(context)).find(isRunningHere);
    if (daemon !== undefined) {
      throw new ReplicationError('daemon_already_running', {
        message: `A daemon is running on this host already: process ${daemon.pid}.`,
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
  summary: 'Run a daemon in the foreground, for service managers and containers.',
  details:
    'It joins those that are at work already. SIGTERM or SIGINT ends it after the rounds under way; a second one ends it at once.',
  keys: {},
  options: logOptions,
  run: async (_invocation, context) => {
    const config = await context.config();
    // Loaded here only: the others of this file need neither engine nor log.
    const { runDaemon } = await import('../../daemon/daemon.ts');
    const { createLog } = await import('../../runtime/log.ts');
    const log = createLog({ level: config.logLevel, destination: config.logDestination ?? 'stderr' });
    await runDaemon({ config, log, signal: context.signal });
    return ExitCode.done;
  },
});

export const stop = command({
  verb: 'stop',
  form: '',
  summary: 'Stop all daemons of the installation, on whatever hosts, and wait until they have ended.',
  details: 'To stop one of several, send its process SIGTERM: the others take over at once.',
  keys: {},
  run: async (_invocation, context) => {
    const daemons = await currentDaemons(context);
    if (daemons.length === 0) context.out.say('No daemon is running.');
    else await stopAndSay(context, daemons);
    return ExitCode.done;
  },
});

const stopAndSay = async (context: Context, daemons: readonly DaemonFacts[]): Promise<void> => {
  await stopDaemons(context, daemons);
  for (const { pid, host } of daemons) context.out.say(`The daemon has stopped (process ${pid} on ${host}).`);
};

export const restart = command({
  verb: 'restart',
  form: '',
  summary: 'Stop the daemon of this host if it is running, and start it.',
  details: 'Those of other hosts go on.',
  keys: {},
  options: logOptions,
  run: async (_invocation, context) => {
    const daemons = (await currentDaemons(context)).filter(isHere);
    if (daemons.length > 0) await stopAndSay(context, daemons);
    return startAndSay(context);
  },
});
