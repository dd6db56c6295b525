import { closeSync, openSync, readSync } from 'node:fs';
import { VerbatimError } from '../../errors.ts';

/** So many first bytes of a file tell. */
const startBytes = 64;

/**
 * Refuses a file that stands where a model should: the pointer that Git LFS leaves where a large file was not fetched,
 * or the web page that a download without permission brings. Neither can begin a model: call it where a file is not one, or
 * before it is read.
 *
 * @param start the first bytes of the file; without them they are read from `path`
 * @throws VerbatimError that names the file and says how to come by the real one
 */
export function refuseStandIn(path: string, start: Uint8Array = readStart(path)): void {
  const text = Buffer.from(start.subarray(0, startBytes)).toString('latin1');
  if (text.startsWith('version https://git-lfs'))
    throw new VerbatimError(`${path}: is a Git LFS pointer, not the file itself; run git lfs pull.`);
  // After white space, and the three bytes of a byte order mark.
  if (/^(\xef\xbb\xbf)?\s*<[!?a-z]/i.test(text))
    throw new VerbatimError(
      `${path}: is a web page, not a model; download it again (signed in, if the model asks for it).`,
    );
}

function readStart(path: string): Uint8Array {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(startBytes);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, startBytes, 0));
  } finally {
    closeSync(descriptor);
  }
}
