/**
 * A round that replaces the tables of a database whole, in the role fullcopy.
 *
 * All tables are replaced in one transaction from one snapshot. Its order takes the place of positions: the tables are locked against other
 * writers first, and then the snapshot is taken. So of two copies, whoever makes them, the one that commits last is the newer one. Nothing depends on
 * what the source may lose, for the next copy is whole again.
 */
import assert from 'node:assert/strict';
import type { AppliedRows } from '../connectors/postgres/apply-stage.ts';
import type { ReplacementPlan } from '../connectors/postgres/replacement.ts';
import { ReplacementSource } from '../connectors/postgres/replacement-source.ts';
import { ReplacementTarget } from '../connectors/postgres/replacement-target.ts';
import type { RelationId, RelationName } from '../model/topology.ts';
import { careOf } from './care.ts';
import { assertMayWrite } from './may-write.ts';
import { type CopyPlan, type CopySide, isTable, planCopy } from './read/plan-copy.ts';
import type { Progress, RoundContext, RoundOutcome } from './round.ts';
import { settleAll } from './settle.ts';

/** @throws ReplicationError what stands in the way, on whichever side */
export const runFullCopy = async (context: RoundContext): Promise<RoundOutcome> => {
  const [source] = context.sources;
  const [target] = context.written;
  assert(source !== undefined && target !== undefined, 'a copy without two databases');
  await using loans = new AsyncDisposableStack();
  const from = loans.use(await context.borrow(source.database.id));
  const to = loans.use(await context.borrow(target.database.id));
  try {
    const plan = await planCopy(context, {
      source: { member: source, session: from.session },
      target: { member: target, session: to.session },
    });
    const applied = { ...(await new FullCopy(context, plan).run()), conflicts: 0 };
    return new Map([[target.database.id, { kind: 'good', applied, isCopy: true, isSettled: true }]]);
  } catch (error) {
    from.discard();
    to.discard();
    throw error;
  }
};

class FullCopy {
  readonly #context: RoundContext;
  readonly #plan: CopyPlan;
  readonly #source: ReplacementSource;
  readonly #target: ReplacementTarget;

  constructor(context: RoundContext, plan: CopyPlan) {
    this.#context = context;
    this.#plan = plan;
    this.#source = new ReplacementSource(plan.source.session);
    this.#target = new ReplacementTarget(plan.target.session, context.schema);
  }

  async run(): Promise<AppliedRows> {
    const { sync, reached } = this.#context;
    const { source, target, plans } = this.#plan;
    await this.#target.begin(plans, passedOn(target));
    await this.#source.open();
    await reached('source_opened', source.database);
    const stale = await this.#findStale();
    const deleted = await this.#target.empty(stale, sync.deleteMethod);
    const inserted = await this.#fill(stale);
    await reached('loaded', target.database);
    const sequences = await this.#source.sequences(sequencesOf(source));
    await this.#source.finish();
    await this.#target.setSequences(sequences, sequencesOf(target));
    await reached('committing', target.database);
    assertMayWrite(this.#context, target.database);
    await this.#target.commit();
    await reached('committed', target.database);
    await this.#target.tend(stale.map(({ id, target: table }) => ({ table, care: careOf(sync, id) })));
    return { inserted, updated: 0, deleted };
  }

  /** Those whose rows are not the same on both sides. TRUNCATE takes all or none: they may refer to each other. */
  async #findStale(): Promise<readonly ReplacementPlan[]> {
    const { plans } = this.#plan;
    const stale: ReplacementPlan[] = [];
    for (const plan of plans) {
      const [sent, stored] = await settleAll([this.#source.digest(plan), this.#target.digest(plan)]);
      if (sent !== stored) stale.push(plan);
    }
    return this.#context.sync.deleteMethod === 'delete' || stale.length === 0 ? stale : plans;
  }

  async #fill(stale: readonly ReplacementPlan[]): Promise<number> {
    const { target } = this.#plan;
    const { onProgress, reached } = this.#context;
    let [bytes, rowCount] = [0, 0];
    for (const [index, plan] of stale.entries()) {
      const report = (more: number): void => {
        bytes += more;
        onProgress(this.#progress(index, bytes));
      };
      report(0);
      rowCount += await this.#target.fill(plan, {
        rows: () => this.#source.rows(plan),
        sender: this.#source.label,
        onBytes: report,
        midway: () => reached('copying', target.database),
      });
    }
    return rowCount;
  }

  #progress(tablesDone: number, bytes: number): Progress {
    const { target, plans } = this.#plan;
    return { database: target.database.id, isCopy: true, tablesDone, tablesTotal: plans.length, bytes };
  }
}

const sequencesOf = ({ relations }: CopySide): RelationName[] =>
  relations.filter((relation) => !isTable(relation)).map(({ relation }) => relation);

const passedOn = ({ database, relations }: CopySide): ReadonlySet<RelationId> =>
  new Set(relations.filter(({ makedelta }) => makedelta ?? database.makedelta).map(({ id }) => id));
