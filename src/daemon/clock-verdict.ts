/** What is to be made of the clocks of servers. Pure, but for the asking. */
import type { Clock } from '../runtime/clock.ts';

/** By how much a clock is ahead of another one; behind is negative. */
export interface Lead {
  readonly aheadMs: number;
  /** It may be so much more or less. */
  readonly errorMs: number;
}

const sampleCount = 5;

/** Of several answers the one that came back soonest tells most. Ahead of `Clock.elapsed`, which has no meaning by itself. */
export const measureLead = async (
  ask: () => Promise<number>,
  clock: Pick<Clock, 'elapsed'>,
): Promise<Lead> => {
  let best: Lead | null = null;
  for (let count = 0; count < sampleCount; count += 1) {
    const asked = clock.elapsed();
    const time = await ask();
    const answered = clock.elapsed();
    const lead = { aheadMs: time - (asked + answered) / 2, errorMs: (answered - asked) / 2 };
    if (best === null || lead.errorMs < best.errorMs) best = lead;
  }
  return best as Lead;
};

export const leadOver = (one: Lead, other: Lead): Lead => ({
  aheadMs: one.aheadMs - other.aheadMs,
  errorMs: one.errorMs + other.errorMs,
});

/** Clocks that servers keep by themselves differ by less. */
const tolerableMs = 100;
/** A difference that somebody should remove. */
const alarmingMs = 1_000;

/**
 * By what changes are corrected from now on; null: as before. What was decided before stays, so a correction changes only when it has become
 * wrong by more than clocks differ anyway.
 */
export const correctionFor = (correctedMs: number, { aheadMs, errorMs }: Lead): number | null => {
  if (Math.abs(aheadMs - correctedMs) <= Math.max(tolerableMs, 3 * errorMs)) return null;
  return Math.abs(aheadMs) <= tolerableMs / 2 ? 0 : Math.round(aheadMs);
};

export const isAlarming = ({ aheadMs, errorMs }: Lead): boolean => Math.abs(aheadMs) - errorMs > alarmingMs;
