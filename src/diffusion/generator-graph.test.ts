import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { add, createGraph, encodeModel, fileConstant, input, model, type Shape } from '../graph/index.ts';
import { allPictures } from '../images/index.ts';
import { openGeneratorGraph } from './generator-graph.ts';
import { openPipeline } from './pipeline.ts';

const fixtures = fileURLToPath(new URL('./fixtures/generators/', import.meta.url));
const golden = JSON.parse(readFileSync(`${fixtures}goldens.json`, 'utf8')) as Record<
  'dcgan' | 'grey',
  { shape: number[]; size: number[]; pictures: number[][] }
> & { seeds: number[] };
const scratch = mkdtempSync(join(tmpdir(), 'verbatim-generator-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A file whose graph gives the sum of its inputs. */
function sumOf(...shapes: Shape[]): string {
  const graph = createGraph();
  const values = shapes.map((shape, i) => input(graph, `in_${i}`, 'float32', shape));
  const path = join(scratch, 'sum.onnx');
  const out = values.length === 1 ? add(values[0]!, 1) : values.reduce(add);
  writeFileSync(path, encodeModel(model(graph, { out })));
  return path;
}

describe.each(['dcgan', 'grey'] as const)('%s', (name) => {
  it('makes the pictures of PyTorch, each from its own seed', async () => {
    const graph = await openGeneratorGraph(`${fixtures}${name}.onnx`, { threads: 1, batch: 2 });
    const { shape, size, pictures: wanted } = golden[name];
    expect(graph).toMatchObject({ name, noiseShape: shape, pictureSize: size });
    const pictures = allPictures(await graph.pictures([...golden.seeds, ...golden.seeds.toReversed()]));
    for (const [at, of] of [0, 1, 1, 0].entries()) {
      const { data, width, height } = pictures[at]!;
      expect([height, width]).toEqual(size);
      const gaps = Array.from(data, (level, i) => Math.abs(level - wanted[of]![i]!));
      expect(data).toHaveLength(wanted[of]!.length);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(1);
    }
    expect(await graph.pictures([])).toEqual([]);
    await graph.close();
  });
});

describe('openGeneratorGraph', () => {
  it('reads the range of the values beside the graph, as part of the digest', async () => {
    const path = join(scratch, 'grey.onnx');
    cpSync(`${fixtures}grey.onnx`, path);
    const plain = await openGeneratorGraph(path, { threads: 1 });
    const [picture] = allPictures(await plain.pictures([0]));
    // Values of [0, 1] that are taken for [−1, 1] lie in the upper half.
    expect(Math.min(...picture!.data)).toBeGreaterThanOrEqual(127);
    writeFileSync(join(scratch, 'grey.verbatim.json'), '{"range": [0, 1]}');
    const ranged = await openGeneratorGraph(path, { threads: 1 });
    expect(ranged.digest).not.toBe(plain.digest);
    for (const [json, message] of [
      ['{"range": [1, 0]}', '"range": the first must be below the second'],
      ['{"rnge": [0, 1]}', 'rnge'],
      ['{"range": [0, 1]', 'not valid JSON'],
    ] as const) {
      writeFileSync(join(scratch, 'grey.verbatim.json'), json);
      await expect(openGeneratorGraph(path)).rejects.toThrow('grey.verbatim.json');
      await expect(openGeneratorGraph(path)).rejects.toThrow(message);
    }
    await Promise.all([plain.close(), ranged.close()]);
  });

  it.each([
    [
      [
        ['n', 4],
        ['n', 4],
      ],
      'has one input, this has 2: in_0 [n, 4], in_1 [n, 4]',
    ],
    [[['n', 4, 4]], 'in_0 [n, 4, 4] of float32; its rank is not supported'],
    [[['n', 'size']], 'its sizes must be known'],
    [[[3, 4]], 'its batch is fixed; export it with a batch of 1 or any size'],
    [[['n', 4]], 'gives [1, 4] for 1 row of noise; pictures are [batch, 3 or 1, height, width]'],
    [[['n', 2, 4, 4]], 'gives [1, 2, 4, 4] for 1 row'],
  ] as const)('refuses %j', async (shapes, message) => {
    const path = sumOf(...(shapes as readonly Shape[]));
    await expect(openGeneratorGraph(path, { threads: 1 })).rejects.toThrow(message);
    await expect(openGeneratorGraph(path, { threads: 1 })).rejects.toThrow(path);
  });

  it('tells a denoiser alone, and names the folder that it belongs to', async () => {
    const graph = createGraph();
    const sample = input(graph, 'sample', 'float32', ['n', 4]);
    const out = add(sample, input(graph, 'timestep', 'float32', [1]));
    mkdirSync(join(scratch, 'whole', 'unet'), { recursive: true });
    const path = join(scratch, 'whole', 'unet', 'model.onnx');
    writeFileSync(path, encodeModel(model(graph, { out })));
    await expect(openGeneratorGraph(path, { threads: 1 })).rejects.toThrow(
      `${path}: this is a denoiser alone (its inputs are sample, timestep); name the folder above it, ${join(scratch, 'whole')}.`,
    );
  });

  it('takes data beside the graph into its digest whatever its name, and refuses a graph without it', async () => {
    const folder = mkdtempSync(join(scratch, 'external-'));
    const shape = [1, 3, 32, 32];
    const data = {
      kind: 'file',
      path: join(folder, 'any.name'),
      offsetBytes: 0,
      lengthBytes: 12_288,
    } as const;
    writeFileSync(data.path, new Uint8Array(data.lengthBytes));
    const graph = createGraph();
    const noise = input(graph, 'noise', 'float32', ['n', 3, 32, 32]);
    const out = add(noise, fileConstant(graph, 'w', { ...data, dtype: 'float32', shape }));
    const path = join(folder, 'made.onnx');
    writeFileSync(path, encodeModel(model(graph, { out }), { referToFilesFrom: folder }));
    const digestWith = async (byte: number) => {
      writeFileSync(data.path, new Uint8Array(data.lengthBytes).fill(byte));
      const opened = await openGeneratorGraph(path, { threads: 1 });
      await opened.close();
      return opened.digest;
    };
    expect(await digestWith(0)).not.toBe(await digestWith(1));
    rmSync(data.path);
    await expect(openGeneratorGraph(path)).rejects.toThrow(/made\.onnx: tensor "w": .*any\.name/);
  });

  it('refuses a file that is not there', async () => {
    await expect(openGeneratorGraph(join(scratch, 'none.onnx'))).rejects.toThrow('there is no such file');
  });
});

describe('openPipeline', () => {
  it('refuses a generator graph in one line', async () => {
    await expect(openPipeline(`${fixtures}dcgan.onnx`)).rejects.toMatchObject({
      message: expect.stringMatching(/dcgan\.onnx: a generator graph has no denoiser to attack; [^\n]*$/),
      exitCode: 2,
    });
  });
});
