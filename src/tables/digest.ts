import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';

/** SHA-256 of bytes or text, 64 hex digits. */
export function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The bytes of a file into a hash, in pieces: it may be larger than memory. */
export async function hashFile(hash: Hash, path: string): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
}

/** Files up to this size are digested whole. */
export const wholeDigestBytes = 64 * 2 ** 20;
const sampledBlocks = 1024;
const blockBytes = 64 * 2 ** 10;

/**
 * SHA-256 of a file, hex: over all its bytes up to 64 MiB; of a larger file over its size and 1,024 blocks of
 * 64 KiB spread evenly from its first byte to its last, so that opening terabytes does not read them. A change
 * between two blocks that leaves the size as it was is not seen.
 */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size <= wholeDigestBytes) {
      const buffer = Buffer.alloc(Math.min(size, 2 ** 20));
      for (let at = 0; at < size; ) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
      return hash.digest('hex');
    }
    hash.update(`${sampledBlocks} blocks of ${size} bytes`);
    const buffer = Buffer.alloc(blockBytes);
    for (let block = 0; block < sampledBlocks; block++) {
      const at = Math.floor((block * (size - blockBytes)) / (sampledBlocks - 1));
      const { bytesRead } = await file.read(buffer, 0, blockBytes, at);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}
