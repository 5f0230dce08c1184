import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';

test('a sleep ends when its signal aborts, without an error', async () => {
  const controller = new AbortController();
  const start = performance.now();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort();
  await sleeping;
  await systemClock.sleep(60_000, controller.signal);
  expect(performance.now() - start).toBeLessThan(1000);
});

test('a sleep lasts as long as it is told', async () => {
  const start = performance.now();
  await systemClock.sleep(30);
  expect(performance.now() - start).toBeGreaterThanOrEqual(28);
});
