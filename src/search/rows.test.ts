import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toFloat32 } from '../math/index.ts';
import { npyHeader, readNpyHeader } from '../tables/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { memoryRows, openNpyRows, type VectorRows } from './index.ts';

const folder = temporaryFolder('rows');
const fixture = (name: string) => new URL(`fixtures/${name}.npy`, import.meta.url).pathname;
const values = Float32Array.from({ length: 12 }, (_, i) => i / 8 - 0.5);

async function allRows(rows: VectorRows): Promise<number[]> {
  const out: number[] = [];
  for (let at = 0; at * rows.blockRows < rows.count; at++) {
    const block = await rows.block(at);
    const data = block.data as Float32Array | Uint16Array;
    out.push(...(data instanceof Uint16Array ? toFloat32(data) : data));
    rows.giveBack(at, block);
  }
  return out;
}

describe('NumPy files', () => {
  it('are read as NumPy writes them, and written as NumPy writes them', async () => {
    for (const name of ['float32', 'float16', 'version-2']) {
      const rows = await openNpyRows([fixture(name)], 2);
      expect(await allRows(rows)).toEqual([...values]);
      expect(await rows.rows([2, 0])).toEqual(Float32Array.of(...values.slice(8), ...values.slice(0, 4)));
      await rows.close();
    }
    const ours = Buffer.concat([npyHeader('float32', [3, 4]), new Uint8Array(values.buffer)]);
    expect(ours).toEqual(await readFile(fixture('float32')));
  });

  it('are one collection, whatever the blocks', async () => {
    const paths = [fixture('float32'), fixture('version-2'), fixture('float32')];
    for (const blockRows of [1, 2, 4, 5, 9, 100]) {
      const rows = await openNpyRows(paths, blockRows);
      expect(rows.count).toBe(9);
      expect(await allRows(rows)).toEqual([...values, ...values, ...values]);
      expect(await allRows(rows)).toEqual([...values, ...values, ...values]);
      await rows.close();
    }
  });

  it('that cannot be used are refused by name', async () => {
    const bytes = await readFile(fixture('float32'));
    const write = async (name: string, content: Uint8Array) => {
      await writeFile(join(folder, name), content);
      return join(folder, name);
    };
    const short = await write('short.npy', bytes);
    await truncate(short, bytes.length - 3);
    const huge = Buffer.from(bytes);
    huge[6] = 2;
    huge.writeUInt32LE(0xffffffff, 8);
    const narrow = Buffer.concat([npyHeader('float32', [2, 3]), new Uint8Array(24)]);
    const cases: [string[], RegExp][] = [
      [[join(folder, 'none.npy')], /none\.npy: no such file/],
      [[short], /short\.npy: is \d+ bytes, but an array float32 \[3, 4\] takes \d+; it was cut short/],
      [[await write('text.npy', Buffer.from('hello, I am text'))], /not a NumPy array file/],
      [[await write('empty.npy', new Uint8Array(0))], /not a NumPy array file/],
      [[await write('huge.npy', huge)], /its header claims 4294967295 bytes/],
      [[await write('head.npy', bytes.subarray(0, 40))], /ends within its header/],
      [[fixture('float64')], /holds <f8; expected one of <f4, <f2/],
      [[fixture('fortran')], /Fortran order/],
      [[fixture('float32'), await write('narrow.npy', narrow)], /vectors of 3 values, .*float32 ones of 4/],
      [[fixture('float32'), fixture('float16')], /float16 vectors of 4 values, .*float32 ones of 4/],
      [[], /no .npy file was named/],
    ];
    for (const [paths, message] of cases) await expect(openNpyRows(paths)).rejects.toThrow(message);
  });

  it('pad their headers to 64 bytes for every shape', async () => {
    for (const shape of [[1], [0, 7], [123456789, 3], [1, 2, 3, 4]]) {
      const header = npyHeader('int8', shape);
      expect(header.length % 64).toBe(0);
      if (shape.reduce((a, b) => a * b) > 100) continue;
      const path = join(folder, 'shape.npy');
      await writeFile(path, Buffer.concat([header, new Uint8Array(shape.reduce((a, b) => a * b))]));
      const file = await open(path);
      expect(await readNpyHeader(file, path)).toEqual({ dtype: 'int8', shape, offsetBytes: header.length });
      await file.close();
    }
  });
});

describe('rows in memory', () => {
  it('come in blocks and leave the array alone', async () => {
    const rows = memoryRows(values, 4, 2);
    expect(await allRows(rows)).toEqual([...values]);
    expect(await rows.rows([1])).toEqual(values.slice(4, 8));
    expect(() => memoryRows(values, 5)).toThrow('12 values are no rows of 5');
  });

  it('that come in blocks already are taken over, not copied', async () => {
    const parts = [values.slice(0, 8), values.slice(8)];
    const rows = memoryRows(parts, 4);
    expect([rows.count, rows.blockRows]).toEqual([3, 2]);
    expect((await rows.block(1)).data).toBe(parts[1]);
    expect(await allRows(rows)).toEqual([...values]);
    const other = /block 1 of the rows has another size or type than the first/;
    expect(() => memoryRows([values.slice(0, 4), values.slice(4)], 4)).toThrow(other);
    expect(() => memoryRows([values.slice(0, 8), new Uint16Array(4)], 4)).toThrow(other);
  });
});
