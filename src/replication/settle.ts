/**
 * As `Promise.all`, but ends only when all have ended: what the others work with must not be taken away from under them
 * because one has failed. The first failure is the one that is thrown.
 */
export const settleAll = async <T>(works: readonly Promise<T>[]): Promise<T[]> => {
  const results = await Promise.allSettled(works);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
};
