/** `inspect`: what the next round would do. */
import type { Db } from '../../control/db.ts';
import { getInstallation } from '../../control/installation.ts';
import { inspectSync } from '../../daemon/inspection.ts';
import { look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import { inspectionJson } from '../inspect/json.ts';
import { buildInspectionReport } from '../inspect/report.ts';
import { inspectionText } from '../inspect/text.ts';
import { selectSyncs } from '../sync-selection.ts';

export const inspect = command({
  verb: 'inspect',
  form: 'SYNC…|all',
  summary:
    'Show what the next round of syncs would do: how many rows of each table go where, and conflicts with their verdicts.',
  details:
    'Nothing is changed, no row is locked, and a daemon is neither needed nor held up. Databases that do not answer are named. Sequences are not looked at.',
  keys: {},
  options: ['json'],
  run: async ({ names }, context) => {
    const { syncs, schema } = await look(context, async (db: Db) => ({
      syncs: await selectSyncs(db, names),
      schema: (await getInstallation(db)).schema,
    }));
    const reports = [];
    for (const sync of syncs)
      reports.push(buildInspectionReport(await inspectSync({ sync, schema, signal: context.signal })));
    const { out, options } = context;
    if (options.json === true) out.json(reports.map(inspectionJson));
    else out.print(reports.map((report) => inspectionText(report, out)).join('\n\n'));
    return ExitCode.done;
  },
});
