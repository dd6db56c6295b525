import { open } from 'node:fs/promises';
import { Header, Pax } from 'tar';
import { atomically } from '../../tables/index.ts';

/** A file to put into a tar. */
export interface TarFile {
  /** Letters, digits, dots and hyphens: never a path. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const blockBytes = 512;

/** Writes a tar of files as they come, whole or not at all; without clock or owner, so that the same files give the same bytes. */
export async function writeTar(output: string, files: AsyncIterable<TarFile>): Promise<void> {
  await atomically(output, async (temporary) => {
    const target = await open(temporary, 'w');
    try {
      for await (const { name, bytes } of files) {
        const fields = {
          path: name,
          size: bytes.length,
          type: 'File',
          mode: 0o644,
          mtime: new Date(0),
        } as const;
        const header = Buffer.alloc(blockBytes);
        if (new Header(fields).encode(header)) await target.writeFile(new Pax(fields).encode());
        await target.writeFile(header);
        await target.writeFile(bytes);
        await target.writeFile(Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes));
      }
      await target.writeFile(Buffer.alloc(2 * blockBytes));
    } finally {
      await target.close();
    }
  });
}
