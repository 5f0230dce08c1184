/**
 * Gives a copied, never started cluster a system identifier of its own. The identifier stands in two places: at the
 * start of `global/pg_control`, which a CRC-32C protects, and in the long header of the first page of each WAL file
 * (`xlp_sysid` in `access/xlog_internal.h`), which nothing protects.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const walIdentifierOffset = 24;

export const giveOwnIdentity = async (dataDirectory: string): Promise<void> => {
  // Like initdb: the upper half is the time, so that the number is positive and looks like one.
  const identifier = Buffer.alloc(8);
  identifier.writeUInt32LE(Math.floor(Date.now() / 1000), 4);
  randomBytes(4).copy(identifier);
  await changeControlFile(join(dataDirectory, 'global', 'pg_control'), identifier);
  const wal = join(dataDirectory, 'pg_wal');
  const segments = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name));
  await Promise.all(segments.map((name) => changeWalFile(join(wal, name), identifier)));
};

const changeControlFile = async (path: string, identifier: Buffer): Promise<void> => {
  const control = await readFile(path);
  const crcOffset = findCrc(control);
  identifier.copy(control, 0);
  control.writeUInt32LE(crc32c(control.subarray(0, crcOffset)), crcOffset);
  await writeFile(path, control);
};

/** The checksum stands behind the data, whose length depends on the version: it is where it fits. */
const findCrc = (control: Buffer): number => {
  for (let offset = 64; offset < 512; offset += 4) {
    if (control.readUInt32LE(offset) === crc32c(control.subarray(0, offset))) return offset;
  }
  throw new Error('The checksum of pg_control was not found.');
};

const changeWalFile = async (path: string, identifier: Buffer): Promise<void> => {
  const file = await open(path, 'r+');
  try {
    await file.write(identifier, 0, identifier.length, walIdentifierOffset);
  } finally {
    await file.close();
  }
};

/** CRC-32C (Castagnoli), bit by bit: a few hundred bytes do not deserve a table. */
const crc32c = (bytes: Buffer): number => {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
};
