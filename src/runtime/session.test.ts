import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { VerbatimError } from '../errors.ts';
import {
  add,
  addNode,
  constant,
  createGraph,
  decodeModel,
  deferredConstant,
  encodeModel,
  fileConstant,
  input,
  ints,
  type Model,
  matmul,
  model,
  readConstant,
  type Value,
  writeModel,
} from '../graph/index.ts';
import { type DType, floatTensor, type Tensor } from '../math/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { createMeter, openSession, type Session } from './index.ts';
import { loadable } from './source.ts';

const folder = temporaryFolder('runtime');
const opened: Session[] = [];
afterAll(async () => {
  await Promise.all(opened.map((session) => session.close()));
});

async function open(...args: Parameters<typeof openSession>): Promise<Session> {
  const session = await openSession(...args);
  opened.push(session);
  return session;
}

function waves(shape: number[], step = 1): Tensor<'float32'> {
  const count = shape.reduce((product, size) => product * size, 1);
  return floatTensor(
    shape,
    Float32Array.from({ length: count }, (_, i) => Math.sin(i * step)),
  );
}

/** next = state · weight + drift; norm = Σ next. */
function stepModel(): Model {
  const graph = createGraph();
  const state = input(graph, 'state', 'float32', ['rows', 8]);
  const drift = input(graph, 'drift', 'float32', [8]);
  const weight = constant(graph, waves([8, 8], 0.7), 'weight');
  const [product] = addNode(graph, 'MatMul', [state, weight]) as [Value];
  const [next] = addNode(graph, 'Add', [product, drift]) as [Value];
  const [norm] = addNode(graph, 'ReduceSum', [next], { keepdims: { type: 'int', value: 0 } }) as [Value];
  return model(graph, { next, norm });
}

/** A chain of `count` products of an n×n matrix, so that one run takes a good while. */
function longModel(n: number, count: number): Model {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [n, n]);
  let value = x;
  for (let i = 0; i < count; i++) {
    [value] = addNode(graph, 'MatMul', [value, x]) as [Value];
    [value] = addNode(graph, 'Tanh', [value]) as [Value];
  }
  return model(graph, { y: value });
}

describe('a session', () => {
  it('tells its ports, computes, and leaves the feeds to the caller', async () => {
    const session = await open(stepModel());
    expect(session.provider).toBe('cpu');
    expect(session.inputs).toEqual([
      { name: 'state', dtype: 'float32', shape: ['rows', 8] },
      { name: 'drift', dtype: 'float32', shape: [8] },
    ]);
    expect(session.outputs.map((port) => port.name)).toEqual(['next', 'norm']);
    const state = waves([2, 8]);
    const drift = waves([8], 0.3);
    const { next, norm } = await session.run({ state, drift });
    const weight = waves([8, 8], 0.7).data;
    let sum = 0;
    for (let row = 0; row < 2; row++)
      for (let column = 0; column < 8; column++) {
        let expected = drift.data[column]!;
        for (let k = 0; k < 8; k++) expected += state.data[row * 8 + k]! * weight[k * 8 + column]!;
        expect(next?.data[row * 8 + column]).toBeCloseTo(expected, 5);
        sum += expected;
      }
    expect(next?.shape).toEqual([2, 8]);
    expect(norm?.shape).toEqual([]);
    expect(norm?.data[0]).toBeCloseTo(sum, 4);
    expect(state.data).toEqual(waves([2, 8]).data);
  });

  it('takes views that share a buffer, and fetches only what is asked for', async () => {
    const session = await open(stepModel());
    const shared = waves([3, 8]).data;
    const feeds = {
      state: floatTensor([1, 8], shared.subarray(8, 16)),
      drift: floatTensor([8], shared.subarray(16)),
    };
    const result = await session.run(feeds, { fetch: ['next'] });
    expect(Object.keys(result)).toEqual(['next']);
    const plain = await session.run({
      state: floatTensor([1, 8], shared.slice(8, 16)),
      drift: floatTensor([8], shared.slice(16)),
    });
    expect(result.next).toEqual(plain.next);
  });

  it('passes every element type through, bit for bit', async () => {
    const graph = createGraph();
    const feeds: Record<string, Tensor> = {
      float32: floatTensor([2], Float32Array.of(-0, Number.NaN)),
      float16: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0x0001) },
      float64: { dtype: 'float64', shape: [1], data: Float64Array.of(1e-300) },
      int8: { dtype: 'int8', shape: [1], data: Int8Array.of(-128) },
      uint8: { dtype: 'uint8', shape: [1], data: Uint8Array.of(255) },
      int32: { dtype: 'int32', shape: [1], data: Int32Array.of(-(2 ** 31)) },
      int64: { dtype: 'int64', shape: [1, 1], data: BigInt64Array.of(2n ** 62n + 1n) },
      bool: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
    };
    const outputs: Record<string, Value> = {};
    for (const [dtype, tensor] of Object.entries(feeds))
      outputs[`${dtype}_out`] = input(graph, dtype, dtype as DType, tensor.shape);
    const session = await open(model(graph, outputs));
    const results = await session.run(feeds);
    for (const [dtype, tensor] of Object.entries(feeds)) expect(results[`${dtype}_out`]).toEqual(tensor);
  });

  it('opens a graph, its bytes, a file, weights beside a file and weights elsewhere alike', async () => {
    const plain = stepModel();
    const path = join(folder, 'step.onnx');
    await writeModel(plain, path, { externalBytes: 16 });
    const weightPath = join(folder, 'weight.bin');
    const file = openSync(weightPath, 'w');
    writeSync(file, new Uint8Array(100));
    writeSync(file, new Uint8Array(waves([8, 8], 0.7).data.buffer));
    closeSync(file);
    const graph = createGraph();
    const state = input(graph, 'state', 'float32', ['rows', 8]);
    const drift = input(graph, 'drift', 'float32', [8]);
    const where = { path: weightPath, offsetBytes: 100, lengthBytes: 256 };
    const weight = fileConstant(graph, 'weight', { kind: 'file', ...where, dtype: 'float32', shape: [8, 8] });
    const [product] = addNode(graph, 'MatMul', [state, weight]) as [Value];
    const [next] = addNode(graph, 'Add', [product, drift]) as [Value];
    const feeds = { state: waves([4, 8]), drift: waves([8], 2) };
    const expected = await (await open(plain)).run(feeds, { fetch: ['next'] });
    for (const source of [encodeModel(plain), { path }, model(graph, { next })]) {
      const session = await open(source);
      expect(await session.run(feeds, { fetch: ['next'] })).toEqual(expected);
    }
    rmSync(weightPath);
    await expect(openSession(model(graph, { next }))).rejects.toThrow(/weight\.bin.*not there any more/);
  });

  it('brings weights that are too large for one message to a file, one by one, and removes it', async () => {
    const temporary = join(folder, 'temporary');
    mkdirSync(temporary);
    vi.stubEnv('TMPDIR', temporary);
    const graph = createGraph();
    const state = input(graph, 'state', 'float32', ['rows', 32]);
    const [kept, made] = [waves([32, 32]), waves([32, 32], 2)];
    let asked = 0;
    const read = () => {
      asked += 1;
      return made;
    };
    const late = deferredConstant(graph, 'made', {
      kind: 'deferred',
      dtype: 'float32',
      shape: [32, 32],
      read,
    });
    const product = matmul(matmul(state, constant(graph, kept, 'kept')), late);
    const source = model(graph, { out: add(product, constant(graph, waves([32], 3), 'small')) });
    const { model: bytes, externalFolder, cleanUp } = await loadable(source, 8000);
    expect(asked).toBe(1);
    expect(bytes.length).toBeLessThan(1500);
    const [inside] = readdirSync(temporary);
    expect(statSync(join(temporary, inside!, 'weights')).size).toBe(2 * 32 * 32 * 4);
    const decoded = decodeModel(bytes as Uint8Array, { baseFolder: externalFolder! });
    const content = [...decoded.graph.constants].map(([value, data]) => [
      value.name,
      Buffer.from(readConstant(data)),
    ]);
    const expected = { kept, made, small: waves([32], 3) };
    expect(Object.fromEntries(content)).toEqual(
      Object.fromEntries(
        Object.entries(expected).map(([name, { data }]) => [name, Buffer.from(data.buffer)]),
      ),
    );
    await cleanUp();
    expect(readdirSync(temporary)).toEqual([]);
    vi.unstubAllEnvs();
  });
});

describe('holding and carrying', () => {
  it('gives the same as a plain loop over 100 runs, without the values leaving the session', async () => {
    const [plain, carrying] = await Promise.all([open(stepModel()), open(stepModel())]);
    const drift = waves([8], 0.9);
    let state: Tensor = waves([2, 8]);
    await carrying.hold({ state, drift });
    for (let i = 0; i < 100; i++) {
      const expected = await plain.run({ state, drift });
      const result = await carrying.run({}, { carry: { next: 'state' } });
      expect(result).toEqual({ norm: expected.norm });
      state = expected.next!;
    }
    expect(await carrying.held('state')).toEqual(state);
    expect(await carrying.held('drift')).toEqual(drift);
  });

  it('can bring back what it carries, keeps held values when a run fails, and prefers feeds', async () => {
    const session = await open(stepModel());
    const state = waves([1, 8]);
    await session.hold({ state });
    await expect(session.run({}, { carry: { next: 'state' } })).rejects.toThrow(
      /"drift" is neither fed nor held/,
    );
    expect(await session.held('state')).toEqual(state);
    const drift = waves([8]);
    const { next } = await session.run({ drift }, { carry: { next: 'state' }, fetch: ['next'] });
    expect(await session.held('state')).toEqual(next);
    const other = waves([3, 8]);
    const fed = await session.run({ state: other, drift }, { fetch: ['next'] });
    expect(fed.next?.shape).toEqual([3, 8]);
    expect(await session.held('state')).toEqual(next);
    await expect(session.held('drift')).rejects.toThrow(
      /nothing is held for input "drift"; held are "state"/,
    );
  });

  it('refuses to carry what does not fit', async () => {
    const session = await open(stepModel());
    const feeds = { state: waves([1, 8]), drift: waves([8]) };
    await expect(session.run(feeds, { carry: { next: 'drift' } })).rejects.toThrow(
      /output "next", float32 \[rows, 8\], cannot be carried to input "drift", float32 \[8\]/,
    );
    await expect(session.run(feeds, { carry: { nex: 'state' } })).rejects.toThrow(/no output "nex"/);
    await expect(session.run(feeds, { carry: { next: 'stat' } })).rejects.toThrow(/no input "stat"/);
    await expect(session.run(feeds, { carry: { next: 'state', norm: 'state' } })).rejects.toThrow(
      VerbatimError,
    );
  });
});

describe('bad feeds and models', () => {
  const drift = waves([8]);
  it.each<[string, Record<string, Tensor>, RegExp]>([
    ['missing', { drift }, /input "state" is neither fed nor held; fed are "drift"/],
    ['extra', { drift, state: waves([1, 8]), extra: drift }, /no input "extra"; inputs are "state", "drift"/],
    ['rank', { drift, state: waves([8]) }, /input "state" is float32 \[rows, 8\], but float32 \[8\] came/],
    ['size', { drift, state: waves([1, 9]) }, /is float32 \[rows, 8\], but float32 \[1, 9\] came/],
    [
      'dtype',
      { drift, state: { dtype: 'float64', shape: [1, 8], data: new Float64Array(8) } },
      /is float32 \[rows, 8\], but float64 \[1, 8\] came/,
    ],
    [
      'length',
      { drift, state: { ...waves([1, 8]), shape: [2, 8] } },
      /8 values do not fill float32 \[2, 8\]/,
    ],
    [
      'array',
      {
        drift,
        state: { dtype: 'float32', shape: [1, 8], data: new Float64Array(8) as unknown as Float32Array },
      },
      /needs a Float32Array, but a Float64Array came/,
    ],
  ])('%s: one line that names the input', async (_, feeds, message) => {
    const session = await open(stepModel());
    const error = await session.run(feeds).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(VerbatimError);
    expect((error as Error).message).toMatch(message);
    expect((await session.run({ drift, state: waves([1, 8]) })).next?.shape).toEqual([1, 8]);
  });

  it('name what is no model, what is not there, and a provider that does not work', async () => {
    await expect(openSession(Uint8Array.of(1, 2, 3))).rejects.toThrow(VerbatimError);
    const path = join(folder, 'garbage.onnx');
    writeFileSync(path, 'garbage');
    await expect(openSession({ path })).rejects.toThrow(/garbage\.onnx/);
    await expect(openSession({ path: `${path}.no` })).rejects.toThrow(
      /garbage\.onnx\.no: there is no such file/,
    );
    await expect(openSession(stepModel(), { threads: 0 })).rejects.toThrow(/threads/);
  });
});

describe('the thread', () => {
  it('leaves the event loop alive during a long run', async () => {
    const session = await open(longModel(384, 60));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await session.run({ x: waves([384, 384]) });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  it('rejects what is in flight at once when it is closed, and everything later', async () => {
    const session = await openSession(longModel(384, 60));
    const x = waves([384, 384]);
    const running = [session.run({ x }), session.run({ x })].map((run) => run.catch((error: Error) => error));
    const closed = session.close();
    for (const outcome of await Promise.all(running)) {
      expect(outcome).toBeInstanceOf(VerbatimError);
      expect((outcome as Error).message).toMatch(/session is closed/);
    }
    await closed;
    await session.close();
    await expect(session.run({ x })).rejects.toThrow(/closed/);
    await expect(session.hold({ x })).rejects.toThrow(/closed/);
  });

  it('rejects with the reason of the signal', async () => {
    const stop = new AbortController();
    const session = await openSession(longModel(384, 60), { signal: stop.signal });
    const running = session.run({ x: waves([384, 384]) });
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(session.run({ x: waves([384, 384]) })).rejects.toBe(reason);
    await expect(openSession(stepModel(), { signal: stop.signal })).rejects.toBe(reason);
    await session.close();
  });

  it('leaves results intact after it has ended', async () => {
    const session = await openSession(longModel(64, 2));
    const { y } = await session.run({ x: waves([64, 64]) });
    const before = y?.data.slice();
    await session.close();
    expect(y?.data).toEqual(before);
  });

  it('opens and closes many times without leaving listeners or handles', async () => {
    const stop = new AbortController();
    const handles = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    const before = handles();
    for (let i = 0; i < 6; i++) {
      const session = await openSession(stepModel(), { signal: stop.signal, threads: 1 });
      await session.run({ state: waves([1, 8]), drift: waves([8]) });
      await session.close();
    }
    expect(handles()).toBeLessThanOrEqual(before);
  });
});

describe('lent feeds', () => {
  it('are not copied and come back with the outputs', async () => {
    const session = await open(stepModel());
    const [state, drift] = [waves([2, 8]), waves([8], 0.3)];
    const before = state.data.slice();
    const plain = await session.run({ state, drift });
    const running = session.run({ state, drift }, { lend: ['state'], fetch: ['norm'] });
    expect(state.data).toHaveLength(0);
    const result = await running;
    expect(Object.keys(result)).toEqual(['state', 'norm']);
    expect(result['state']).toEqual({ dtype: 'float32', shape: [2, 8], data: before });
    expect(result['norm']).toEqual(plain['norm']);
    expect(drift.data).toHaveLength(8);
  });

  it('must be fed, and fill a buffer of their own', async () => {
    const session = await open(stepModel());
    const drift = waves([8]);
    const part = { ...waves([2, 8]), data: waves([4, 8]).data.subarray(16) };
    await expect(session.run({ state: part, drift }, { lend: ['state'] })).rejects.toThrow(
      'input "state" cannot be lent: its values do not fill an ArrayBuffer of their own',
    );
    await expect(session.run({ drift }, { lend: ['state'] })).rejects.toThrow(
      '"state" is to be lent but not fed',
    );
    expect(part.data).toHaveLength(16);
  });
});

describe('results', () => {
  /** A 3×3 convolution over 8 channels, then a product along the last axis. */
  function convolution(): Model {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', ['batch', 8, 24, 24]);
    const kernel = constant(graph, waves([16, 8, 3, 3], 0.11), 'kernel');
    const weight = constant(graph, waves([24, 40], 0.37), 'weight');
    const [h] = addNode(graph, 'Conv', [x, kernel], { pads: ints([1, 1, 1, 1]) }) as [Value];
    const [y] = addNode(graph, 'MatMul', [h, weight]) as [Value];
    return model(graph, { y });
  }

  it('are the same bytes in every run, with one thread and with two', async () => {
    const x = waves([3, 8, 24, 24], 0.013);
    const [one, two] = await Promise.all([1, 2].map((threads) => open(convolution(), { threads })));
    const first = await one!.run({ x });
    for (let i = 0; i < 5; i++) {
      expect(await one!.run({ x })).toEqual(first);
      expect(await two!.run({ x })).toEqual(first);
    }
  });
});

describe('createMeter', () => {
  it('counts, and refuses what is no count', () => {
    const meter = createMeter();
    meter.add(2);
    meter.add(0);
    meter.add(30);
    expect(meter.evaluations).toBe(32);
    for (const wrong of [-1, 0.5, Number.NaN]) expect(() => meter.add(wrong)).toThrow(RangeError);
    expect(meter.evaluations).toBe(32);
  });
});
