import { defineConfig } from 'vitest/config';

/**
 * `x.test.ts` beside its source is pure and takes milliseconds. `x.pg.test.ts` and everything under `test/`
 * talk to real servers, which `test/support/global-setup.ts` starts once for the whole run.
 */
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default'],
  },
});
