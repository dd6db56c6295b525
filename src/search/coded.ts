import { VerbatimError } from '../errors.ts';
import { floatTensor } from '../math/index.ts';
import { openRowFiles, type RowFiles } from './files.ts';
import type { CodedRows } from './types.ts';

/** Where the 8-bit copies of NumPy files are, file by file (see `encodeRows`). */
export interface CodePaths {
  readonly codes: readonly string[];
  readonly bounds: readonly string[];
}

/**
 * Opens the 8-bit copies of rows in NumPy files, with the files of the rows themselves to compare with.
 *
 * @throws VerbatimError when a file is missing or damaged, or they are copies of other rows
 */
export async function openCodedRows(
  paths: CodePaths,
  rows: RowFiles,
  blockRows: number,
): Promise<CodedRows & { close(): Promise<void> }> {
  const codes = await openRowFiles(paths.codes, ['int8']);
  const bounds = await openRowFiles(paths.bounds, ['float32']).catch(async (error) => {
    await codes.close();
    throw error;
  });
  const close = async () => {
    await codes.close();
    await bounds.close();
  };
  const fits =
    codes.width === rows.width &&
    bounds.width === 3 &&
    [codes, bounds].every(({ counts }) => counts.join() === rows.counts.join());
  if (!fits) {
    await close();
    throw new VerbatimError(
      `${paths.codes[0]}: ${codes.count} 8-bit vectors of ${codes.width} values (and ${bounds.count} bounds) for ${rows.count} vectors of ${rows.width}; delete the folder and make the index again`,
    );
  }
  const buffers: ArrayBuffer[] = [];
  return {
    count: codes.count,
    blockRows,
    async block(at) {
      const from = at * blockRows;
      const size = Math.min(codes.count, from + blockRows) - from;
      const fitting = buffers.findIndex(({ byteLength }) => byteLength === size * codes.width);
      const [buffer] = fitting < 0 ? [] : buffers.splice(fitting, 1);
      const bytes = new Uint8Array(buffer ?? new ArrayBuffer(size * codes.width));
      const known = new Float32Array(3 * size);
      await codes.read(from, bytes);
      await bounds.read(from, new Uint8Array(known.buffer));
      const scales = new Float32Array(size);
      let [longest, rest] = [0, 0];
      for (let i = 0; i < size; i++) {
        scales[i] = known[3 * i]!;
        // Math.max keeps NaN.
        rest = Math.max(rest, known[3 * i + 1]!);
        longest = Math.max(longest, known[3 * i + 2]!);
      }
      if (!Number.isFinite(longest + rest))
        throw new VerbatimError(
          `a vector among rows ${from} and following holds a value that is not a finite number; make the index again`,
        );
      return {
        codes: { dtype: 'int8', shape: [size, codes.width], data: new Int8Array(bytes.buffer) },
        scales: floatTensor([size], scales),
        longest,
        rest,
      };
    },
    giveBack(_, block) {
      buffers.push(block.codes.data.buffer as ArrayBuffer);
    },
    close,
  };
}
