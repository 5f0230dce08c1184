/** The end of the sources of a round: from then on, what was read can be relied on. */
import type { RoundContext } from '../round.ts';
import { settleAll } from '../settle.ts';
import type { Delivery } from './delivery.ts';
import type { OwnSource } from './source.ts';

/** Of those that these deliveries have been read from; what the others leave behind is of no use to anybody. */
export const finishSources = (
  { reached }: Pick<RoundContext, 'reached'>,
  sources: readonly OwnSource[],
  {
    read,
    flushedUpTo,
  }: { readonly read: readonly Delivery[]; readonly flushedUpTo: (source: OwnSource) => string },
): Promise<void[]> =>
  settleAll(
    sources.map(async (source) => {
      const { database, reader } = source;
      const readers = read.filter(({ member }) => member.database.id !== database.id);
      if (readers.length === 0) return reader.abandon();
      const streams = readers.flatMap(({ tables }) => tables.flatMap((table) => table.streams));
      const tables = streams
        .filter((stream) => stream.source.database.id === database.id)
        .map(({ table }) => table);
      await reader.finish([...new Set(tables)], flushedUpTo(source));
      await reached('source_finished', database);
    }),
  );
