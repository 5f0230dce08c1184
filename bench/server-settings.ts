/** Of the servers that the benchmark starts: a small machine's, durable, and alike. */
export const serverSettings: Readonly<Record<string, string>> = {
  fsync: 'on',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '30min',
  max_connections: '200',
  track_commit_timestamp: 'on',
};
