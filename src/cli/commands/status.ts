/** `status`: is everything well, and if not, why. */
import { listDbClocks } from '../../control/db-clock.ts';
import { listDaemons } from '../../control/daemon.ts';
import type { Db } from '../../control/db.ts';
import { readLeases } from '../../control/lease.ts';
import { listNotices } from '../../control/notice.ts';
import { lastRounds } from '../../control/round.ts';
import { readSyncStates } from '../../control/sync-state.ts';
import { loadSyncDefinitions } from '../../control/sync-definition.ts';
import type { SyncDefinition } from '../../model/topology.ts';
import { look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { detailsText } from '../status/details.ts';
import { reportJson } from '../status/json.ts';
import { buildReport, type StatusFacts, type StatusReport } from '../status/report.ts';
import { daemonLines, overviewText, type View } from '../status/text.ts';
import { selectSyncs } from '../sync-selection.ts';

const roundsShown = 5;

export const status = command({
  verb: 'status',
  form: '[SYNC…|all]',
  summary:
    'Say how all syncs are, or everything about some. Exit code 3 when one is unhealthy or no daemon is running.',
  keys: {},
  options: ['json'],
  run: async ({ names }, context) => {
    const isDetailed = names.length > 0;
    const report = await look(context, async (db) => {
      const syncs = isDetailed ? await selectSyncs(db, names) : await loadSyncDefinitions(db);
      return buildReport(await readFacts(db, syncs, isDetailed));
    });
    if (context.options.json === true) context.out.json(reportJson(report));
    else print(context, report, isDetailed);
    return report.isHealthy ? ExitCode.done : ExitCode.unhealthy;
  },
});

const readFacts = async (
  db: Db,
  syncs: readonly SyncDefinition[],
  withRounds: boolean,
): Promise<StatusFacts> => {
  const rounds = [];
  if (withRounds)
    for (const { id } of syncs) rounds.push(...(await lastRounds(db, { syncId: id, limit: roundsShown })));
  return {
    now: Date.now(),
    daemons: await listDaemons(db),
    leases: await readLeases(db),
    syncs,
    states: await readSyncStates(db),
    notices: await listNotices(db),
    clocks: await listDbClocks(db),
    rounds,
  };
};

const print = ({ out }: Context, report: StatusReport, isDetailed: boolean): void => {
  const view: View = { out, now: Date.now() };
  if (report.syncs.length === 0) out.print(`${daemonLines(report, view)}\nNo syncs have been created yet.`);
  else if (isDetailed)
    out.print([daemonLines(report, view), ...report.syncs.map((sync) => detailsText(sync, view))].join('\n'));
  else out.print(overviewText(report, view));
};
