/**
 * A line on which every packet takes its time, in both directions, and on which many are at a time: what is read is passed on when its
 * time has come, and reading does not wait for that. Neither order nor throughput change. Only what is under way is kept.
 */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { pipeline, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionParameters } from '../src/model/topology.ts';

/** Of 8 to 64 kB each, in each direction of a connection; a line that is full is read from no further. */
const packetCountMax = 1_024;

interface Packet {
  readonly chunk: Buffer;
  /** By `performance.now`. */
  readonly dueAt: number;
}

export class SlowLine implements AsyncDisposable {
  /** What leads over it. */
  readonly address: Pick<ConnectionParameters, 'host' | 'port'>;
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.address = { host: '127.0.0.1', port: String(port) };
    this.#close = close;
  }

  /** @param delayMs one way */
  static async to({ host = '', port = '' }: ConnectionParameters, delayMs: number): Promise<SlowLine> {
    const ends = new Set<Socket>();
    // Small packets go at once: the delay is ours alone.
    const listener = createServer({ noDelay: true }, (client) => {
      const server = createConnection({ ...addressOf(host, port), noDelay: true });
      for (const end of [client, server]) ends.add(end.on('close', () => ends.delete(end)));
      carry(client, server, delayMs);
      carry(server, client, delayMs);
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new SlowLine((listener.address() as AddressInfo).port, async () => {
      listener.close();
      for (const end of ends) end.destroy();
      await once(listener, 'close');
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/** As libpq reads `host`: with a slash in front it is the directory of a socket. */
const addressOf = (host: string, port: string): { path: string } | { host: string; port: number } =>
  host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port: Number(port) };

const carry = (from: Socket, to: Socket, delayMs: number): void => {
  const arrive = new Transform({
    readableObjectMode: true,
    readableHighWaterMark: packetCountMax,
    transform: (chunk: Buffer, _encoding, done) =>
      done(null, { chunk, dueAt: performance.now() + delayMs } satisfies Packet),
  });
  const leave = async function* (packets: AsyncIterable<Packet>): AsyncGenerator<Buffer> {
    for await (const { chunk, dueAt } of packets) {
      const earlyMs = dueAt - performance.now();
      if (earlyMs > 0) await sleep(earlyMs);
      yield chunk;
    }
  };
  // What ends one end, in whatever way, ends the other.
  pipeline(from, arrive, leave, to, () => to.destroy());
};
