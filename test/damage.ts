import { readFile, writeFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';

export interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Opens a safetensors file, lets `change` alter header and data, and writes it back with a right length. */
export async function editSafetensors(
  path: string,
  change: (header: Record<string, Entry>, data: Buffer) => Buffer | undefined,
): Promise<void> {
  const bytes = await readFile(path);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, end)) as Record<string, Entry>;
  const data = change(header, bytes.subarray(end)) ?? bytes.subarray(end);
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  await writeFile(path, Buffer.concat([length, json, data]));
}

/** The bytes of a PNG of one colour; of more than `drawn` rows only so many are in the file. */
export function png(width: number, height: number, grey: number, drawn = height): Buffer {
  const size = Buffer.alloc(8);
  size.writeUInt32BE(width, 0);
  size.writeUInt32BE(height, 4);
  // 8 bits, RGB, deflate, no interlace; every row begins with its filter, 0.
  const head = Buffer.concat([size, Buffer.from([8, 2, 0, 0, 0])]);
  const row = Buffer.alloc(1 + width * 3, grey);
  row[0] = 0;
  const rows = Buffer.concat(Array.from({ length: drawn }, () => row));
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
