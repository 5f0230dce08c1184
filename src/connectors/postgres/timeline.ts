/**
 * Places in the log of a server, and the timelines that it went through. Pure.
 *
 * A promoted server begins a timeline of its own. Its history says where each earlier one was left, so it can be told whether
 * something that was once seen in the log is part of what the server has now.
 */

/** A place in the log (`pg_lsn`): `16/B374D848`. */
export type Lsn = string;

/** Of a timeline that was left: up to where it belongs to what the server has now. */
export type History = ReadonlyMap<number, bigint>;

export const parseLsn = (lsn: Lsn): bigint => {
  const [upper = '0', lower = '0'] = lsn.split('/');
  return (BigInt(`0x${upper}`) << 32n) | BigInt(`0x${lower}`);
};

/**
 * Each line is a timeline, where it was left, and why: `1<tab>0/3000148<tab>no recovery target specified`
 * (`readTimeLineHistory` in the server's `timeline.c`).
 */
export const parseHistory = (text: string): History => {
  const lines = text.split('\n').filter((line) => /^\s*\d/u.test(line));
  return new Map(
    lines.map((line): [number, bigint] => {
      const [timeline = '', left = ''] = line.trim().split(/\s+/u);
      return [Number(timeline), parseLsn(left)];
    }),
  );
};

const pageBytes = 8192n;
/** The longer of the two headers that a page of the log has. */
const pageHeaderBytes = 40n;

/**
 * True when a log that ends (or was left) at `end` holds everything before `place`. At the start of a page the
 * server names the place behind the page's header when it is about to write, and the page itself when it has read that far.
 */
export const reaches = (end: bigint, place: bigint): boolean => {
  const offset = place % pageBytes;
  return end >= (offset <= pageHeaderBytes ? place - offset : place);
};
