/** `validate`: everything that stands between the syncs and their work, all at once. */
import { loadSyncDefinitions } from '../../control/sync-definition.ts';
import type { SyncDefinition } from '../../model/topology.ts';
import { checkCascades } from '../../setup/check-cascades.ts';
import { checkNames } from '../../setup/check-names.ts';
import type { Finding } from '../../setup/finding.ts';
import { validateSync } from '../../setup/validate.ts';
import { look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { errorJson, formatError } from '../output.ts';
import { setupOptions } from '../sync-install.ts';
import { selectSyncs } from '../sync-selection.ts';

export const validate = command({
  verb: 'validate',
  form: 'SYNC…|all',
  summary: 'Check the databases and tables of syncs. Every problem is told; exit code 1 if there is one.',
  keys: {},
  options: ['json'],
  run: async ({ names }, context) => {
    const checks = await look(context, async (db) => {
      const syncs = await selectSyncs(db, names);
      const all = await loadSyncDefinitions(db);
      return Promise.all(
        syncs.map(async (sync) => ({
          sync,
          options: await setupOptions(db, context, sync),
          between: [...checkNames(sync, all), ...checkCascades(sync, all)],
        })),
      );
    });
    const results: Result[] = [];
    const width = Math.max(...checks.map(({ sync }) => sync.name.length));
    for (const { sync, options, between } of checks) {
      const result = { sync, findings: [...(await validateSync(sync, options)), ...between] };
      results.push(result);
      if (context.options.json !== true) print(context, result, width);
    }
    if (context.options.json === true) context.out.json(results.map(resultJson));
    return results.every(isFit) ? ExitCode.done : ExitCode.failed;
  },
});

interface Result {
  readonly sync: SyncDefinition;
  readonly findings: readonly Finding[];
}

const isFit = ({ findings }: Result): boolean => findings.every(({ severity }) => severity === 'warning');

const print = ({ out }: Context, result: Result, width: number): void => {
  const { name } = result.sync;
  const verdict = isFit(result) ? out.paint('green', 'OK') : out.paint('red', 'FAILED');
  out.print(`Validating sync ${name} ..${'.'.repeat(width - name.length)} ${verdict}`);
  for (const { severity, error } of result.findings) {
    if (severity === 'error') out.error(formatError(error));
    else out.warn(`Note: ${formatError(error)}`);
  }
};

const resultJson = (result: Result) => ({
  sync: result.sync.name,
  isFit: isFit(result),
  findings: result.findings.map(({ severity, error }) => ({ severity, ...errorJson(error) })),
});
