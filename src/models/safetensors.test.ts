import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGraph } from '../graph/index.ts';
import { floatTensor, type Tensor, toFloat32 } from '../math/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { encodeSafetensors, openSafetensors, writeSafetensors } from './safetensors.ts';
import { openTensorStore, storeWeights } from './store.ts';
import { fixtures } from './testing/goldens.ts';

const folder = temporaryFolder('safetensors');
let count = 0;

/** A file with the given header and so many bytes of data. */
async function fileOf(
  header: string,
  dataBytes: number,
  declaredBytes = BigInt(Buffer.byteLength(header)),
): Promise<string> {
  const path = join(folder, `${count++}.safetensors`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(declaredBytes);
  await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]));
  return path;
}

async function refusal(header: unknown, dataBytes: number, declared?: bigint): Promise<string> {
  const path = await fileOf(
    typeof header === 'string' ? header : JSON.stringify(header),
    dataBytes,
    declared,
  );
  try {
    openSafetensors(path).close();
  } catch (error) {
    const { message, name } = error as Error;
    expect(name).toBe('VerbatimError');
    expect(message.startsWith(`${path}: `)).toBe(true);
    expect(message).not.toContain('\n');
    return message.slice(path.length + 2);
  }
  return 'opened';
}

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('bad files', () => {
  it('too short for a header', async () => {
    const path = join(folder, 'short');
    await writeFile(path, 'abc');
    expect(() => openSafetensors(path)).toThrow(/3 bytes are too few/);
    expect(() => openSafetensors(join(folder, 'nowhere'))).toThrow(/nowhere: cannot be opened \(ENOENT\)/);
  });

  it('headers of gigabytes, beyond the end, or not JSON', async () => {
    expect(await refusal('{}', 0, 5_000_000_000n)).toMatch(/header of 5000000000 bytes is over the limit/);
    expect(await refusal('{}', 0, 2n ** 64n - 1n)).toMatch(/over the limit/);
    expect(await refusal('{}', 0, 3n)).toMatch(
      /cut short: the header should end at byte 11, the file has 10/,
    );
    expect(await refusal('{"a":', 0)).toMatch(/header is not JSON/);
    expect(await refusal('[]', 0)).toMatch(/not a JSON object/);
  });

  it('what stands in for a file: a pointer of Git LFS, a web page', async () => {
    const path = join(folder, 'stand-in.safetensors');
    await writeFile(
      path,
      `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 9\n`,
    );
    expect(() => openSafetensors(path)).toThrow(
      `${path}: is a Git LFS pointer, not the file itself; run git lfs pull.`,
    );
    for (const page of ['<!DOCTYPE html><title>Sign in</title>', '\ufeff\n<html></html>']) {
      await writeFile(path, page);
      expect(() => openSafetensors(path)).toThrow(`${path}: is a web page, not a model; download it again`);
    }
    // A header may have a length that reads as "<".
    expect(await refusal(`{${' '.repeat(58)}}`, 0)).toBe('opened');
  });

  it('offsets', async () => {
    expect(await refusal({ a: entry('F32', [2], 0, 8) }, 7)).toMatch(
      /cut short: tensor "a" ends at byte \d+/,
    );
    expect(await refusal({ a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }, 12)).toMatch(
      /tensor "b" overlaps tensor "a"/,
    );
    expect(await refusal({ a: entry('F32', [2], 0, 8), b: entry('F32', [1], 12, 16) }, 16)).toMatch(
      /tensor "b" leaves unused bytes after tensor "a"/,
    );
    expect(await refusal({ a: entry('F32', [2], 0, 8) }, 9)).toMatch(/1 bytes follow tensor "a"/);
    expect(await refusal({ a: entry('F32', [1], 8, 4) }, 8)).toMatch(/tensor "a" has data_offsets \[8,4\]/);
    expect(await refusal({ a: entry('F32', [1], -4, 0) }, 4)).toMatch(/data_offsets \[-4,0\]/);
    expect(await refusal({ a: { dtype: 'F32', shape: [1] } }, 4)).toMatch(
      /tensor "a" has data_offsets undefined/,
    );
  });

  it('dtypes, shapes and names', async () => {
    expect(await refusal({ a: entry('F32', [3], 0, 8) }, 8)).toMatch(
      /"a" \[3\] of F32 needs 12 bytes, its offsets give 8/,
    );
    expect(await refusal({ a: entry('F13', [2], 0, 8) }, 8)).toMatch(/unknown dtype "F13"/);
    expect(await refusal({ a: entry('constructor', [2], 0, 8) }, 8)).toMatch(/unknown dtype/);
    expect(await refusal({ a: { ...entry('F32', [], 0, 4), shape: [1.5] } }, 4)).toMatch(/shape \[1\.5\]/);
    expect(await refusal({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 8) }, 8)).toMatch(/needs .* bytes/);
    const one = JSON.stringify(entry('F32', [1], 0, 4));
    expect(await refusal(`{"a":${one},"\\u0061":${one}}`, 4)).toMatch(/tensor "a" stands twice/);
    const long = 'a\\"'.repeat(2_000_000);
    expect(await refusal(`{ "${long}" : ${one},\n"${long}":${one}}`, 4)).toMatch(/stands twice/);
    expect(await refusal(`{"__metadata__":{"x":"{","y":"x"},"x":${one},"y":${one}}`, 4)).toMatch(
      /"y" overlaps/,
    );
    expect(await refusal({ a: null }, 0)).toMatch(/tensor "a" has the unknown dtype undefined/);
  });

  it('never open, wherever a good file is cut', async () => {
    const [header, data] = encodeSafetensors({ a: floatTensor([3]), b: floatTensor([2]) });
    const whole = Buffer.concat([header!, data!, Buffer.alloc(8)]);
    const path = join(folder, 'cut');
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      expect(() => openSafetensors(path)).toThrow(/cut/);
    }
    await writeFile(path, whole);
    openSafetensors(path).close();
  });
});

describe('round trip', () => {
  it('of a tensor with the name of something else', async () => {
    const path = join(folder, 'proto');
    await writeSafetensors(path, Object.fromEntries([['__proto__', floatTensor([1])]]));
    const file = openSafetensors(path);
    expect([...file.entries.keys()]).toEqual(['__proto__']);
    file.close();
  });

  it('of any floats, in both precisions, with equal bytes for equal tensors', async () => {
    const path = join(folder, 'round');
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ minLength: 1 }), fc.float32Array({ maxLength: 9 }), { maxKeys: 5 }),
        async (arrays) => {
          fc.pre(!('__metadata__' in arrays));
          const tensors = Object.fromEntries(
            Object.entries(arrays).map(([name, data]) => [name, floatTensor([data.length], data)]),
          );
          const reversed = Object.fromEntries(Object.entries(tensors).reverse());
          await writeSafetensors(path, tensors);
          const bytes = await readFile(path);
          await writeSafetensors(path, reversed);
          expect(bytes.equals(await readFile(path))).toBe(true);
          const file = openSafetensors(path);
          expect([...file.entries.keys()].sort()).toEqual(Object.keys(arrays).sort());
          for (const [name, data] of Object.entries(arrays)) expect(file.read(name).data).toEqual(data);
          file.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('halves keep eleven bits', async () => {
    const path = join(folder, 'half');
    const data = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i) * 2 ** ((i % 20) - 10));
    await writeSafetensors(
      path,
      { x: floatTensor([500], data), n: { dtype: 'int64', shape: [], data: BigInt64Array.of(-7n) } },
      { dtype: 'float16' },
    );
    const file = openSafetensors(path);
    const halves = file.read('x');
    expect(halves.dtype).toBe('float16');
    toFloat32(halves.data as Uint16Array).forEach((value, i) => {
      expect(Math.abs(value - data[i]!)).toBeLessThanOrEqual(Math.abs(data[i]!) * 2 ** -11 + 2 ** -25);
    });
    expect(file.read('n').data).toEqual(BigInt64Array.of(-7n));
    expect(file.metadata).toEqual({ format: 'pt' });
    file.close();
  });

  it('bfloat16 is read exactly', async () => {
    const path = await fileOf(JSON.stringify({ x: entry('BF16', [3], 0, 6) }), 0);
    await writeFile(
      path,
      Buffer.concat([await readFile(path), Buffer.from(Uint16Array.of(0x3f80, 0xc049, 0x7f80).buffer)]),
    );
    const file = openSafetensors(path);
    expect([...(file.read('x') as Tensor<'float32'>).data]).toEqual([1, -3.140625, Number.POSITIVE_INFINITY]);
    file.close();
  });

  it('leaves nothing behind when it cannot write', async () => {
    await writeFile(join(folder, 'file'), '');
    const before = await readdir(folder);
    await expect(writeSafetensors(join(folder, 'file', 'x'), { a: floatTensor([1]) })).rejects.toThrow(
      /^cannot write .*x: a part of its path is a file/,
    );
    expect(await readdir(folder)).toEqual(before);
  });
});

describe('a store of weights', () => {
  it('names the tensor that is missing or of another shape', () => {
    const store = openTensorStore([`${fixtures}sd1/unet/diffusion_pytorch_model.safetensors`]);
    const w = storeWeights(createGraph(), store);
    expect(() => w('conv_in.weight', [64, 4, 3, 3])).toThrow(
      /diffusion_pytorch_model\.safetensors: tensor "conv_in\.weight" has shape \[32, 4, 3, 3\], but the config needs \[64, 4, 3, 3\]/,
    );
    expect(() => w('nothing.bias', [4])).toThrow(/tensor "nothing\.bias" \[4\] is missing/);
    expect(w('conv_in.weight', [32, 4, 3, 3])).toBe(w('conv_in.weight', [32, 4, 3, 3]));
    store.close();
  });

  it('refuses a tensor that stands in two shards', async () => {
    const paths = [join(folder, 'one'), join(folder, 'two')];
    for (const path of paths) await writeSafetensors(path, { a: floatTensor([1]) });
    expect(() => openTensorStore(paths)).toThrow(/two: tensor "a" stands in .*one as well/);
  });
});
