/** Cron expressions: five fields, or six with seconds, in the time zone of the process. */
import { Cron } from 'croner';

const parse = (expression: string): Cron => new Cron(expression, { paused: true });

/** The first time after `afterMs` (both in milliseconds since 1970) that fits; null: there is none. */
export const nextCronTime = (expression: string, afterMs: number): number | null =>
  parse(expression).nextRun(new Date(afterMs))?.getTime() ?? null;

export const isCronExpression = (text: string): boolean => {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
};
