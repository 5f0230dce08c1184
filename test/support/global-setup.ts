/** One PostgreSQL server for the whole run. Tests that need another version or other settings start their own. */
import type { TestProject } from 'vitest/node';
import type { ConnectionParameters } from '../../src/model/topology.ts';
import { startServer } from '../../tools/embedded-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    sharedServer: ConnectionParameters;
  }
}

/** Nothing has to survive a crash of the machine here. */
const settings = {
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  shared_buffers: '64MB',
  track_commit_timestamp: 'off',
  wal_level: 'logical',
};

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const server = await startServer({ settings });
  project.provide('sharedServer', server.parameters);
  return async () => server[Symbol.asyncDispose]();
};
