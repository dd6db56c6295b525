import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VerbatimError } from '../../errors.ts';
import type { DType, Tensor } from '../../math/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import {
  type Attribute,
  type Attributes,
  addNode,
  checkExternalData,
  constant,
  constantBytes,
  createGraph,
  decodeModel,
  encodeModel,
  fileConstant,
  input,
  type Model,
  model,
  readModel,
  type Value,
  writeModel,
} from '../index.ts';
import { decodeProto, encodeProto, type ModelProto } from './schema.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const folder = temporaryFolder('onnx');

/** Everything that a model says, as plain data: two models are alike when these are equal. */
function describeModel({ graph, outputs }: Model) {
  const value = (v: Value | undefined) => v && { name: v.name, dtype: v.dtype, shape: v.shape };
  return {
    opset: graph.opset,
    inputs: graph.inputs.map(value),
    constants: [...graph.constants].map(([v, data]) => [
      value(v),
      data.kind === 'memory' ? data.tensor : `${constantBytes(data)} bytes, ${data.kind}`,
    ]),
    nodes: graph.nodes.map((node) => ({
      op: node.op,
      domain: node.domain,
      name: node.name,
      inputs: node.inputs.map(value),
      outputs: node.outputs.map(value),
      attributes: node.attributes,
    })),
    outputs: [...outputs].map(([name, v]) => [name, v.dtype, v.shape]),
  };
}

const finiteFloat = fc.float({ noNaN: true, noDefaultInfinity: true });
/** Tensors of every element type, scalars and empty ones among them. */
const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    dtype: fc.constantFrom<DType>('float32', 'float16', 'float64', 'int8', 'uint8', 'int32', 'int64', 'bool'),
    seed: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 27 }),
  })
  .map(({ shape, dtype, seed }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const numbers = Array.from({ length: count }, (_, i) => seed[i % seed.length]!);
    const data = {
      float32: () => Float32Array.from(numbers, (n) => n / 7),
      float64: () => Float64Array.from(numbers, (n) => n / 7),
      float16: () => Uint16Array.from(numbers),
      int8: () => Int8Array.from(numbers),
      uint8: () => Uint8Array.from(numbers),
      bool: () => Uint8Array.from(numbers, (n) => n & 1),
      int32: () => Int32Array.from(numbers),
      int64: () => BigInt64Array.from(numbers, (n) => BigInt(n) * 0x7fffffffn),
    }[dtype]();
    return { dtype, shape, data };
  });

/** One step of a random chain over a float32 value of shape ["batch", 4]. */
const anyStep: fc.Arbitrary<{ op: string; attributes: Attributes; domain?: string }> = fc.oneof(
  finiteFloat.map((value) => ({
    op: 'LeakyRelu',
    attributes: { alpha: { type: 'float', value } as Attribute },
  })),
  fc
    .constantFrom(-1, 1)
    .map((value) => ({ op: 'Softmax', attributes: { axis: { type: 'int', value } as Attribute } })),
  fc
    .constantFrom('none', 'tanh')
    .map((value) => ({ op: 'Gelu', attributes: { approximate: { type: 'string', value } as Attribute } })),
  fc.constant({ op: 'Transpose', attributes: { perm: { type: 'ints', value: [0, 1] } as Attribute } }),
  fc.constant({ op: 'Sigmoid', attributes: {} }),
  fc.constant({
    op: 'QuickGelu',
    domain: 'com.microsoft',
    attributes: { alpha: { type: 'float', value: 1.5 } as Attribute },
  }),
);

describe('encodeModel and decodeModel', () => {
  it('keep nodes, shapes, attributes and constants', () => {
    fc.assert(
      fc.property(
        fc.array(anyStep, { maxLength: 8 }),
        fc.array(anyTensor, { maxLength: 4 }),
        (steps, tensors) => {
          const graph = createGraph();
          const outputs: Record<string, Value> = {};
          let value = input(graph, 'x', 'float32', ['batch', 4]);
          for (const { op, attributes, domain } of steps)
            [value] = addNode(graph, op, [value], attributes, domain ? { domain } : {}) as [Value];
          outputs.y = value;
          tensors.forEach((tensor, i) => {
            outputs[`c${i}`] = constant(graph, tensor, `weight ${i}`);
          });
          const original = decodeModel(encodeModel(model(graph, outputs)));
          const again = decodeModel(encodeModel(original));
          expect(describeModel(again)).toEqual(describeModel(original));
          expect(again.graph.nodes.map((node) => [node.op, node.attributes]).slice(0, steps.length)).toEqual(
            steps.map((step) => [
              step.op,
              Object.fromEntries(
                Object.entries(step.attributes).map(([name, a]) => [
                  name,
                  a.type === 'float' ? { ...a, value: Math.fround(a.value) } : a,
                ]),
              ),
            ]),
          );
          expect(
            [...again.graph.constants.values()].map((data) => data.kind === 'memory' && data.tensor),
          ).toEqual(tensors);
          expect(again.outputs.get('y')?.shape).toEqual(['batch', 4]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives outputs their public names, also where an inner value is called so', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2]);
    const [inner] = addNode(graph, 'Exp', [x], {}, { outputNames: ['y'] }) as [Value];
    const [outer] = addNode(graph, 'Neg', [inner]) as [Value];
    const read = decodeModel(encodeModel(model(graph, { y: outer, exp: inner })));
    expect([...read.outputs.keys()]).toEqual(['y', 'exp']);
    expect(read.outputs.get('y')?.producer?.op).toBe('Neg');
    expect(read.outputs.get('exp')?.producer?.op).toBe('Exp');
  });

  it('bind open dimensions by name, and refuse names that are not there', () => {
    const bytes = readFileSync(join(FIXTURES, 'torch_17.onnx'));
    expect(decodeModel(bytes).outputs.get('out')?.shape).toEqual(['batch', 8, 6, 6]);
    expect(decodeModel(bytes, { dims: { batch: 5 } }).outputs.get('out')?.shape).toEqual([5, 8, 6, 6]);
    expect(() => decodeModel(bytes, { dims: { bach: 5 } })).toThrow(/no dimension "bach".*batch/);
  });

  it('refuse more than 2 GiB of weights inside one file, and point to writeModel', () => {
    const path = join(folder, 'huge.bin');
    const bytes = 2 ** 31 + 4096;
    const file = openSync(path, 'w');
    ftruncateSync(file, bytes); // a hole: takes no room on disk
    closeSync(file);
    const graph = createGraph();
    const shape = [bytes / 4];
    const weight = fileConstant(graph, 'w', {
      kind: 'file',
      path,
      offsetBytes: 0,
      lengthBytes: bytes,
      dtype: 'float32',
      shape,
    });
    expect(() => encodeModel(model(graph, { w: weight }))).toThrow(/2 GiB; use writeModel/);
  });
});

describe('decodeModel on what it cannot use', () => {
  const file = (name: string) => readFileSync(join(FIXTURES, `${name}.onnx`));

  it('names subgraphs, functions and old opsets', () => {
    expect(() => decodeModel(file('if'))).toThrow(/node "choose" \(If\) holds a subgraph/);
    expect(() => decodeModel(file('function'))).toThrow(/functions \("Twice"\) are not supported/);
    const old = decodeProto(file('torch_13'));
    old.opset_import = [{ domain: '', version: 11 }];
    expect(() => decodeModel(encodeProto(old))).toThrow(/opset 11 is not supported/);
  });

  it('names a node that reads what does not exist, and an operator that it does not know', () => {
    const change = (edit: (proto: ModelProto) => void) => {
      const proto = decodeProto(file('old_forms'));
      edit(proto);
      return () => decodeModel(encodeProto(proto), { name: 'm.onnx' });
    };
    expect(
      change((proto) => {
        proto.graph!.node![0]!.input = ['nowhere'];
      }),
    ).toThrow(/m\.onnx: node "ReduceMean" \(ReduceMean\) reads "nowhere"/);
    expect(
      change((proto) => {
        proto.graph!.node![0]!.op_type = 'Frobnicate';
      }),
    ).toThrow(/m\.onnx: node .*Frobnicate/);
  });

  it('answers every truncation and random damage with a model or a VerbatimError, never with a crash', () => {
    const bytes = file('old_forms');
    for (let length = 0; length < bytes.length; length++) expectModelOrError(bytes.subarray(0, length));
    fc.assert(
      fc.property(
        fc.constantFrom('old_forms', 'typed', 'torch_17'),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        (name, edits) => {
          const damaged = Uint8Array.from(file(name));
          for (const [at, byte] of edits) damaged[at % damaged.length] = byte;
          expectModelOrError(damaged);
        },
      ),
      // Found once: a text attribute that has lost its text.
      {
        numRuns: 300,
        examples: [
          [
            'old_forms',
            [
              [1786833518, 3],
              [74231332, 0],
            ],
          ],
        ],
      },
    );
    expect(() => decodeModel(new Uint8Array(0))).toThrow(/not an ONNX model/);
    expect(() => decodeModel(new TextEncoder().encode('<html>404</html>'))).toThrow(
      /is a web page, not a model/,
    );
    const pointer = new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n');
    expect(() => decodeModel(pointer, { name: 'model.onnx' })).toThrow(
      'model.onnx: is a Git LFS pointer, not the file itself; run git lfs pull.',
    );
  });
});

function expectModelOrError(bytes: Uint8Array): void {
  try {
    decodeModel(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(VerbatimError);
    expect((error as Error).message).not.toMatch(/\n/);
  }
}

describe('writeModel and readModel', () => {
  /** A model with one weight inside, one large one in memory and one in a file of 9 MiB (over one chunk). */
  function sample(): Model {
    const graph = createGraph();
    const small = constant(graph, { dtype: 'float32', shape: [3], data: Float32Array.of(1, 2, 3) }, 'small');
    const count = 2 ** 19;
    const large = constant(
      graph,
      { dtype: 'float32', shape: [count], data: Float32Array.from({ length: count }, (_, i) => i) },
      'large',
    );
    const odd = constant(graph, { dtype: 'uint8', shape: [1025], data: new Uint8Array(1025).fill(7) }, 'odd');
    const path = join(folder, 'weights.bin');
    const bytes = Uint8Array.from({ length: 9 * 2 ** 20 + 12 }, (_, i) => (i * 31) % 251);
    writeFileSync(path, bytes);
    const lengthBytes = 9 * 2 ** 20;
    const filed = fileConstant(graph, 'filed', {
      kind: 'file',
      path,
      offsetBytes: 12,
      lengthBytes,
      dtype: 'uint8',
      shape: [lengthBytes],
    });
    return model(graph, { a: small, b: large, c: odd, d: filed });
  }

  it('put large weights beside the model, aligned, and leave them there on reading', async () => {
    const path = join(folder, 'written.onnx');
    const original = sample();
    await writeModel(original, path);
    expect(statSync(path).size).toBeLessThan(2000);
    const read = readModel(path);
    const kinds = [...read.graph.constants].map(([value, data]) => [value.name, data.kind]);
    expect(kinds.sort()).toEqual([
      ['filed', 'file'],
      ['large', 'file'],
      ['odd', 'file'],
      ['small', 'memory'],
    ]);
    for (const data of read.graph.constants.values())
      if (data.kind === 'file') {
        expect(data.path).toBe(`${path}_data`);
        expect(data.offsetBytes % (data.lengthBytes >= 2 ** 20 ? 4096 : 64)).toBe(0);
      }
    // Inlining what was read gives the bytes of inlining the original.
    expect(Buffer.compare(encodeModel(read), encodeModel(decodeModel(encodeModel(original))))).toBe(0);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('leave nothing half-written when a weight cannot be read', async () => {
    const path = join(folder, 'failed.onnx');
    const original = sample();
    writeFileSync(join(folder, 'weights.bin'), new Uint8Array(100));
    await expect(writeModel(original, path)).rejects.toThrow(/weights\.bin: ends after 100 bytes/);
    expect(readdirSync(folder).filter((name) => name.startsWith('failed'))).toEqual([]);
    await expect(writeModel(original, join(folder, 'no', 'such.onnx'))).rejects.toThrow(
      /could not be written/,
    );
  });

  it('read external data that another tool wrote', () => {
    const read = readModel(join(FIXTURES, 'external/model.onnx'));
    const inside = readModel(join(FIXTURES, 'torch_17.onnx'));
    expect(Buffer.compare(encodeModel(read), encodeModel(inside))).toBe(0);
  });
});

describe('external data that is not as declared', () => {
  /** The external fixture in a folder of its own, after `edit` of its first external tensor and its folder. */
  function brokenPath(edit: (entries: Map<string, string>, at: string) => void): string {
    const at = mkdtempSync(join(folder, 'case-'));
    const proto = decodeProto(readFileSync(join(FIXTURES, 'external/model.onnx')));
    copyFileSync(join(FIXTURES, 'external/model.onnx_data'), join(at, 'model.onnx_data'));
    const tensor = proto.graph!.initializer!.find((one) => one.data_location === 1)!;
    const entries = new Map(tensor.external_data!.map(({ key, value }) => [key!, value!]));
    edit(entries, at);
    tensor.external_data = [...entries].map(([key, value]) => ({ key, value }));
    writeFileSync(join(at, 'model.onnx'), encodeProto(proto));
    return join(at, 'model.onnx');
  }
  const broken =
    (edit: Parameters<typeof brokenPath>[0]): (() => Model) =>
    () =>
      readModel(brokenPath(edit));
  const named = /model\.onnx: tensor "[^"]+": /;

  it.each<[string, (entries: Map<string, string>, at: string) => void, RegExp]>([
    ['missing', (_, at) => rmSync(join(at, 'model.onnx_data')), /is not there/],
    [
      'cut short',
      (_, at) => writeFileSync(join(at, 'model.onnx_data'), new Uint8Array(8)),
      /which has only 8/,
    ],
    ['offset beyond the end', (e) => e.set('offset', '999999'), /reaches to byte/],
    ['negative offset', (e) => e.set('offset', '-8'), /offset "-8"/],
    ['offset that is no number', (e) => e.set('offset', '1e3'), /offset "1e3"/],
    ['wrong length', (e) => e.set('length', '4'), /4 bytes of external data, but/],
    ['absolute path', (e) => e.set('location', '/etc/passwd'), /only a path inside/],
    ['parent folder', (e) => e.set('location', 'a/../../x'), /only a path inside/],
    ['no location', (e) => e.delete('location'), /only a path inside/],
    [
      'link out of the folder',
      (e, at) => {
        symlinkSync(join(FIXTURES, 'external/model.onnx_data'), join(at, 'link'));
        e.set('location', 'link');
      },
      /link that leaves/,
    ],
  ])('%s', (_, edit, message) => {
    const read = broken(edit);
    expect(read).toThrow(message);
    expect(read).toThrow(named);
    expect(read).toThrow(VerbatimError);
    // As strict with a file that is opened as it stands.
    const check = brokenPath(edit);
    expect(() => checkExternalData(check)).toThrow(message);
    expect(() => checkExternalData(check)).toThrow(named);
  });

  it('says so where a pointer of Git LFS stands for it', () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\n';
    const path = brokenPath((_, at) => writeFileSync(join(at, 'model.onnx_data'), pointer));
    expect(() => checkExternalData(path)).toThrow(`${path}_data: is a Git LFS pointer, not the file itself`);
  });

  it('is checked without a fault in a good file, and named', () => {
    const found = checkExternalData(join(FIXTURES, 'external/model.onnx'));
    expect(found.map((path) => basename(path))).toEqual(['model.onnx_data']);
    expect(() => checkExternalData(join(folder, 'nowhere.onnx'))).toThrow(/no such file/);
  });

  it('has no folder when the model came as bytes', () => {
    const bytes = readFileSync(join(FIXTURES, 'external/model.onnx'));
    expect(() => decodeModel(bytes)).toThrow(/open the model with readModel/);
    expect(decodeModel(bytes, { baseFolder: join(FIXTURES, 'external') }).outputs.size).toBe(3);
  });
});
