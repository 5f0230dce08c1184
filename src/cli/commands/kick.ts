/** `kick`: run syncs now, and wait for them if a number says how long. */
import { listDaemons } from '../../control/daemon.ts';
import type { Db } from '../../control/db.ts';
import { type KickId, requestKick } from '../../control/kick.ts';
import { ReplicationError } from '../../model/errors.ts';
import type { SyncDefinition } from '../../model/topology.ts';
import { look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { type Answer, waitForKick } from '../kick-waiting.ts';
import { selectSyncs } from '../sync-selection.ts';

export const kick = command({
  verb: 'kick',
  form: 'SYNC…|all [SECONDS]',
  summary:
    'Run syncs now. With a number, wait until they have run, so many seconds at most; 0 waits for ever.',
  details:
    'Waiting is answered by a round that began after the kick. Exit code 0: done; 1: failed, or out of time.',
  keys: {},
  options: ['json', 'notimer'],
  run: async ({ names }, context) => {
    const { words, seconds } = readSeconds(names);
    const kicks = await look(context, (db) => request(db, words));
    const results =
      seconds === null
        ? kicks.map(({ sync }) => announce(context, sync))
        : await waitForAll(context, kicks, seconds);
    if (context.options.json === true) context.out.json(results);
    return results.every(({ result }) => result === 'kicked' || result === 'done')
      ? ExitCode.done
      : ExitCode.failed;
  },
});

const readSeconds = (names: readonly string[]): { words: readonly string[]; seconds: number | null } => {
  const number = names.find((name) => /^\d+$/.test(name));
  return {
    words: names.filter((name) => name !== number),
    seconds: number === undefined ? null : Number(number),
  };
};

interface KickedSync {
  readonly sync: SyncDefinition;
  readonly id: KickId;
}

/** All or none: a kick that nobody would answer is refused. */
const request = async (db: Db, words: readonly string[]): Promise<KickedSync[]> => {
  const syncs = await selectSyncs(db, words);
  syncs.forEach(assertCanRun);
  if ((await listDaemons(db)).length === 0) {
    throw new ReplicationError('daemon_not_running', {
      message: 'Nothing was kicked: no daemon is running on this control database.',
    });
  }
  const kicks: KickedSync[] = [];
  for (const sync of syncs) kicks.push({ sync, id: await requestKick(db, sync.id) });
  return kicks;
};

const assertCanRun = ({ name, status, isPaused }: SyncDefinition): void => {
  const isInactive = status === 'inactive';
  if (!isInactive && !isPaused) return;
  throw new ReplicationError('sync_at_rest', {
    message: `Cannot kick ${isInactive ? 'inactive' : 'paused'} sync "${name}".`,
    hint: `\`tahr ${isInactive ? 'activate' : 'resume'} ${name}\` first.`,
  });
};

interface KickResult {
  readonly sync: string;
  readonly result: 'kicked' | Answer['result'];
  readonly waitedMs: number;
  readonly error: { code: string; message: string; hint: string } | null;
}

const announce = ({ out, options }: Context, { name }: SyncDefinition): KickResult => {
  if (options.json !== true) out.say(`Kicked sync ${name}`);
  return { sync: name, result: 'kicked', waitedMs: 0, error: null };
};

const waitForAll = async (
  context: Context,
  kicks: readonly KickedSync[],
  seconds: number,
): Promise<KickResult[]> => {
  const deadline = seconds === 0 ? null : performance.now() + seconds * 1000;
  const store = await context.control();
  const results: KickResult[] = [];
  const startedAt = performance.now();
  for (const { sync, id } of kicks) {
    const label = (): string =>
      `Kick ${sync.name}: [${Math.round((performance.now() - startedAt) / 1000)} s] `;
    const isTimed = context.options.json !== true && context.options.notimer !== true;
    const onTick = (): void => (isTimed ? context.out.overwrite(label()) : undefined);
    const answer = await waitForKick({ store, id, deadline, signal: context.signal, onTick });
    const result = toResult(sync, { answer, waitedMs: Math.round(performance.now() - startedAt), seconds });
    if (context.options.json !== true) print(context, label(), result);
    results.push(result);
  }
  return results;
};

const toResult = (
  { name }: SyncDefinition,
  { answer, waitedMs, seconds }: { answer: Answer; waitedMs: number; seconds: number },
): KickResult => {
  const { result } = answer;
  if (result === 'done') return { sync: name, result, waitedMs, error: null };
  if (result === 'failed')
    return {
      sync: name,
      result,
      waitedMs,
      error: { code: answer.code, message: answer.message, hint: answer.hint },
    };
  const message = `Sync "${name}" has not run within ${seconds} s; the kick still stands.`;
  return {
    sync: name,
    result,
    waitedMs,
    error: { code: 'timed_out', message, hint: `\`tahr status ${name}\` says what it is doing.` },
  };
};

const verdicts = { done: 'DONE!', failed: 'FAILED!', timed_out: 'Timed out!', kicked: '' } as const;

const print = ({ out }: Context, label: string, { result, error }: KickResult): void => {
  out.overwrite('');
  out.print(`${label}${out.paint(result === 'done' ? 'green' : 'red', verdicts[result])}`);
  if (error !== null) out.error(`${error.message}\n  ${error.hint}`);
};
