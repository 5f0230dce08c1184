/** Several things that go on at the same time, until a while is over. */
import { setTimeout as wait } from 'node:timers/promises';

/** Works until `isOver` says so. */
export type Work = (isOver: () => boolean) => Promise<void>;

/** One that fails ends all. @throws what the first one failed with */
export const together = async (timeMs: number, works: readonly Work[]): Promise<void> => {
  const endsAt = Date.now() + timeMs;
  let hasFailed = false;
  const isOver = (): boolean => hasFailed || Date.now() > endsAt;
  const run = async (work: Work): Promise<void> => {
    try {
      await work(isOver);
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };
  const results = await Promise.allSettled(works.map(run));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
};

/** Does something again and again, with this much time between. */
export const again =
  (pauseMs: number, work: (step: number) => Promise<void>): Work =>
  async (isOver) => {
    for (let step = 0; !isOver(); step += 1) {
      await work(step);
      await wait(pauseMs);
    }
  };

/** One of the numbers from `first` on. */
export const randomOf = ({ first, count }: { readonly first: number; readonly count: number }): number =>
  first + Math.floor(Math.random() * count);
