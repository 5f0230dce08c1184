/** `activate`, `deactivate`, `pause`, `resume`: wishes in the control store, which the daemons take up. */
import { listDaemons } from '../../control/daemon.ts';
import type { Db } from '../../control/db.ts';
import { updateSync } from '../../control/sync.ts';
import { ReplicationError } from '../../model/errors.ts';
import type { ActiveStatus, SyncDefinition } from '../../model/topology.ts';
import { change, type Say } from '../change.ts';
import { type Command, command } from '../command.ts';
import { selectSyncs } from '../sync-selection.ts';

const setStatus = (
  status: ActiveStatus,
  text: { verb: 'activate' | 'deactivate'; done: string; summary: string },
): Command =>
  command({
    verb: text.verb,
    form: 'SYNC…|all',
    summary: text.summary,
    keys: {},
    options: ['dryRun'],
    run: ({ names }, context) =>
      change(context, async (db, say) => {
        for (const sync of await selectSyncs(db, names)) {
          await updateSync(db, sync.name, { status });
          say(
            sync.status === status
              ? `Sync ${sync.name} is ${status} already`
              : `${text.done} sync ${sync.name}`,
          );
        }
        await sayWithoutDaemon(db, say);
      }),
  });

export const activate = setStatus('active', {
  verb: 'activate',
  done: 'Activated',
  summary: 'Let syncs run.',
});

export const deactivate = setStatus('inactive', {
  verb: 'deactivate',
  done: 'Deactivated',
  summary: 'Stop syncs until they are activated. Changes are still captured and kept for them.',
});

const setPause = (
  isPaused: boolean,
  text: { verb: 'pause' | 'resume'; done: string; summary: string },
): Command =>
  command({
    verb: text.verb,
    form: 'SYNC…|all',
    summary: text.summary,
    keys: {},
    options: ['dryRun'],
    run: ({ names }, context) =>
      change(context, async (db, say) => {
        const syncs = await selectSyncs(db, names);
        syncs.forEach(assertActive);
        for (const { name } of syncs) await updateSync(db, name, { isPaused });
        say(`Syncs ${text.done}: ${syncs.map(({ name }) => name).join(',')}`);
        await sayWithoutDaemon(db, say);
      }),
  });

const assertActive = ({ name, status }: SyncDefinition): void => {
  if (status === 'active') return;
  throw new ReplicationError('sync_at_rest', {
    message: `Cannot pause or resume sync "${name}" unless it is active (currently "${status}").`,
    hint: `\`tahr activate ${name}\` first.`,
  });
};

export const pause = setPause(true, {
  verb: 'pause',
  done: 'paused',
  summary: 'Hold active syncs, also over restarts, until they are resumed.',
});

export const resume = setPause(false, {
  verb: 'resume',
  done: 'resumed',
  summary: 'Let paused syncs go on; a sync that stopped with an error tries again.',
});

const sayWithoutDaemon = async (db: Db, say: Say): Promise<void> => {
  if ((await listDaemons(db)).length === 0) say('No daemon is running: this takes effect with `tahr start`.');
};
