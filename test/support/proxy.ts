/** A TCP proxy between Tahr and a server, to lose connections in the ways in which networks lose them. */
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { ConnectionParameters } from '../../src/model/topology.ts';

export interface Proxy {
  /** What leads through it; the rest as without it. */
  readonly parameters: Pick<ConnectionParameters, 'host' | 'port'>;
  /** Connections that are open now. */
  readonly connectionCount: number;
  /** All connections end, as by a router that was restarted. */
  cut(): void;
  /** From now on nothing that the server says arrives, on the connections that there are; what it is told does. */
  muffle(): void;
  /** From now on nothing passes in either direction, and nobody is told; new connections are taken, and silent as well. */
  freeze(): void;
  /** From now on the last bytes of what the server says come a moment later, on the connections that there are. */
  straggle(): void;
  /** New connections pass again; those that were frozen stay so. */
  thaw(): void;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** @param server on the same host; its TCP port is used */
export const createProxy = async ({
  parameters: { port = '' },
}: {
  readonly parameters: ConnectionParameters;
}): Promise<Proxy> => {
  const pairs = new Set<Pair>();
  /** As in a network that has gone: the end of one side never reaches the other. */
  const frozen = new Set<Pair>();
  let isFrozen = false;
  const cut = (): void => {
    for (const { client, server } of [...pairs, ...frozen]) {
      client.destroy();
      server.destroy();
    }
  };
  const listener = createServer((client) => {
    const server = createConnection({ host: '127.0.0.1', port: Number(port) });
    const pair = { client, server };
    pairs.add(pair);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      // What was lost is told by the other end closing.
      from
        .on('error', () => undefined)
        .on('close', () => {
          pairs.delete(pair);
          if (!frozen.has(pair)) to.destroy();
        });
    }
    if (isFrozen) {
      frozen.add(pair);
      return;
    }
    client.pipe(server);
    server.pipe(client);
  });
  await listening(listener);
  onTestFinished(() => {
    cut();
    listener.close();
  });
  return {
    parameters: { host: '127.0.0.1', port: String((listener.address() as AddressInfo).port) },
    get connectionCount() {
      return pairs.size;
    },
    cut,
    muffle() {
      for (const { client, server } of pairs) server.unpipe(client).resume();
    },
    straggle() {
      for (const { client, server } of pairs) {
        server.unpipe(client);
        let turn = Promise.resolve();
        server.on('data', (chunk: Buffer) => {
          turn = turn.then(async () => {
            client.write(chunk.subarray(0, -stragglerBytes));
            await wait(stragglerMs);
            client.write(chunk.subarray(-stragglerBytes));
          });
        });
        server.resume();
      }
    },
    freeze() {
      isFrozen = true;
      for (const pair of pairs) {
        frozen.add(pair);
        pair.client.unpipe(pair.server).pause();
        pair.server.unpipe(pair.client).pause();
      }
    },
    thaw() {
      isFrozen = false;
    },
  };
};

/** As long as the message that says that the server is ready. */
const stragglerBytes = 6;
const stragglerMs = 20;

const listening = async (listener: Server): Promise<void> => {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
};
