/** How many transactions some clients make in a second. */
import type { Session } from '../src/pg/session.ts';
import type { Arena } from './arena.ts';

const stretchSeconds = 10;

interface Clients {
  readonly database: string;
  readonly count: number;
  /** One transaction of a client, which is told its place among the clients and how many it has made. */
  readonly transact: (session: Session, client: number, turn: number) => Promise<void>;
}

/** Each client has a session of its own, and begins the next transaction when the one before is over. */
export const rateOf = async (arena: Arena, { database, count, transact }: Clients): Promise<number> => {
  const sessions = await Promise.all(Array.from({ length: count }, () => arena.another(database)));
  let total = 0;
  const endsAt = performance.now() + stretchSeconds * 1000;
  const work = async (session: Session, client: number): Promise<void> => {
    for (let turn = 0; performance.now() < endsAt; turn += 1) {
      await transact(session, client, turn);
      total += 1;
    }
  };
  await Promise.all(sessions.map(work));
  await Promise.all(sessions.map((session) => session.close()));
  return total / stretchSeconds;
};

/** As the milliseconds that one transaction takes, of one client. */
export const millisecondsEach = (rate: number, clientCount: number): number => (1000 * clientCount) / rate;
