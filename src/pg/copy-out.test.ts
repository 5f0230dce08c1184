import { expect, test } from 'vitest';
import { MessageSorter } from './copy-out.ts';

const message = (type: string, body: Buffer | string): Buffer => {
  const header = Buffer.from([type.charCodeAt(0), 0, 0, 0, 0]);
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, Buffer.from(body)]);
};

const rows = ['first', '', 'd\0\0\0\x04 looks like a header', 'x'.repeat(300), 'last'];
const response = message('H', Buffer.from([1, 0, 1, 0, 1]));
const notice = message('N', 'SNOTICE\0Mon the way\0\0');
const ending = [message('c', ''), message('C', 'COPY 5\0'), message('Z', 'I')];
const stream = Buffer.concat([
  response,
  ...rows.slice(0, 3).map((row) => message('d', row)),
  notice,
  ...rows.slice(3).map((row) => message('d', row)),
  ...ending,
]);
const data = rows.join('');
const others = Buffer.concat([response, notice, ...ending]).toString('latin1');

/** Everything that comes out of chunks; they are copied, because the sorter writes over them. */
const sorted = (chunks: readonly Buffer[]) => {
  const sorter = new MessageSorter();
  const parts = chunks.map((chunk) => sorter.sort(Buffer.from(chunk)));
  return {
    data: Buffer.concat(parts.map((part) => part.data)).toString('latin1'),
    others: Buffer.concat(parts.flatMap((part) => part.others)).toString('latin1'),
  };
};

test('data and other messages are parted', () => {
  expect(sorted([stream])).toEqual({ data, others });
});

test('wherever the stream is cut', () => {
  for (let at = 0; at <= stream.length; at += 1)
    expect(sorted([stream.subarray(0, at), stream.subarray(at)]), `at ${at}`).toEqual({ data, others });
});

test.each([1, 2, 3, 4, 5, 6, 7])('in pieces of %i bytes', (size) => {
  const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
    stream.subarray(index * size, (index + 1) * size),
  );
  expect(sorted(pieces)).toEqual({ data, others });
});

test('what follows the end of the query is left as it is', () => {
  const following = Buffer.from('not looked at');
  const chunk = Buffer.concat([stream, following]);
  const sorter = new MessageSorter();
  expect(sorter.sort(Buffer.from(chunk)).rest).toEqual(following);
  for (let at = 1; at < chunk.length; at += 1) {
    const cut = new MessageSorter();
    const [one, other] = [chunk.subarray(0, at), chunk.subarray(at)].map((part) => Buffer.from(part));
    const [begun, ended] = [cut.sort(one as Buffer), at < stream.length ? cut.sort(other as Buffer) : null];
    const rest =
      ended === null ? Buffer.concat([begun.rest ?? Buffer.alloc(0), other as Buffer]) : ended.rest;
    expect(rest, `at ${at}`).toEqual(following);
  }
});

test('the data of a chunk come at once, as soon as they have come, and without a copy', () => {
  const sorter = new MessageSorter();
  const [several, begun, more] = [
    Buffer.concat([message('d', 'one'), message('d', 'two')]),
    message('d', 'x'.repeat(100)).subarray(0, 50),
    Buffer.from('x'.repeat(20)),
  ];
  const chunks = [several, begun, more];
  const parts = chunks.map((chunk) => sorter.sort(chunk).data);
  expect(parts.map(String)).toEqual(['onetwo', 'x'.repeat(45), 'x'.repeat(20)]);
  const whereIn = ({ byteOffset }: Buffer, chunk: Buffer | undefined) =>
    byteOffset - (chunk?.byteOffset ?? 0);
  expect(parts.map((part, index) => whereIn(part, chunks[index]))).toEqual([5, 5, 0]);
  expect(parts.map(({ buffer }) => buffer)).toEqual(chunks.map(({ buffer }) => buffer));
});
