import { describe, expect, it } from 'vitest';
import { constant, createGraph, type Graph, input, model, type Value } from '../graph/index.ts';
import { floatTensor, type Tensor } from '../math/index.ts';
import { openSession } from '../runtime/index.ts';
import { clipText, clipTextNames } from './clip-text.ts';
import { openModelFolder } from './folder/open.ts';
import { openTensorStore, storeWeights } from './store.ts';
import { fixtures, goldens, relativeError, runOnce, variants } from './testing/goldens.ts';
import { unet2DCondition } from './unet.ts';
import { oldAttentionName, vaeDecode, vaeEncode } from './vae.ts';

const tolerance = 1e-4;

function weightsOf(
  graph: Graph,
  source: { kind: string; files?: readonly string[] },
  otherName?: (name: string) => string | undefined,
) {
  const store = openTensorStore(source.files!);
  return storeWeights(graph, store, { otherName });
}

describe.each(variants)('%s against diffusers and transformers', (variant) => {
  const golden = goldens(variant);

  it.each([
    ['int64', 2],
    ['int32', 'batch'],
  ] as const)('text encoder, %s ids, batch %s', async (dtype, batch) => {
    const { textEncoder } = await openModelFolder(fixtures + variant);
    const ids = golden('text.input_ids');
    const fed =
      dtype === 'int64'
        ? ids
        : { dtype, shape: ids.shape, data: Int32Array.from(ids.data as BigInt64Array, Number) };
    const out = await runOnce(
      (graph) => {
        const w = weightsOf(graph, textEncoder.source, clipTextNames);
        const states = clipText(w, textEncoder.config, input(graph, 'ids', dtype, [batch, 77]));
        return { states: states.lastHiddenState, pooled: states.poolerOutput };
      },
      { ids: fed },
    );
    expect(relativeError(out['states']!, golden('text.last_hidden_state'))).toBeLessThan(tolerance);
    expect(relativeError(out['pooled']!, golden('text.pooler_output'))).toBeLessThan(tolerance);
  });

  /** A session over the UNet with the given batch, sizes of the timestep, and rows of the condition. */
  const openUnetGraph = async (
    batch: number | string,
    timestep: readonly (number | string)[],
    rows: number | string,
  ) => {
    const { unet } = await openModelFolder(fixtures + variant);
    const graph = createGraph();
    const out = unet2DCondition(weightsOf(graph, unet.source), unet.config, {
      sample: input(graph, 'sample', 'float32', [batch, 4, 8, 8]),
      timestep: input(graph, 'timestep', 'float32', timestep),
      encoderHiddenStates: input(graph, 'context', 'float32', [rows, 7, 32]),
    });
    const session = await openSession(model(graph, { out }), { provider: 'cpu', threads: 1 });
    const context = golden('unet.encoder_hidden_states') as Tensor<'float32'>;
    const run = async (times: readonly number[], conditions: 1 | 2) => {
      const feeds = {
        sample: golden('unet.sample'),
        timestep: floatTensor(timestep.length === 0 ? [] : [times.length], Float32Array.from(times)),
        context: floatTensor([conditions, 7, 32], context.data.slice(0, conditions * 7 * 32)),
      };
      return (await session.run(feeds))['out']!;
    };
    return { run, close: () => session.close() };
  };

  it('UNet of any batch at two timesteps', async () => {
    const { run, close } = await openUnetGraph('batch', ['batch'], 'batch');
    for (const time of [17, 999])
      expect(relativeError(await run([time, time], 2), golden(`unet.out_${time}`))).toBeLessThan(tolerance);
    await close();
  });

  it('UNet of a known batch with one timestep for all', async () => {
    const { run, close } = await openUnetGraph(2, [], 2);
    for (const time of [17, 999])
      expect(relativeError(await run([time], 2), golden(`unet.out_${time}`))).toBeLessThan(tolerance);
    await close();
  });

  it.each([2, 'batch'])(
    'UNet, batch %s, with a timestep per sample and one condition for all',
    async (batch) => {
      const { run, close } = await openUnetGraph(batch, [batch], 1);
      expect(relativeError(await run([3.5, 600], 1), golden('unet.out_mixed'))).toBeLessThan(tolerance);
      await close();
    },
  );

  it('VAE both ways', async () => {
    const { vae } = await openModelFolder(fixtures + variant);
    for (const batch of [2, 'batch']) {
      const out = await runOnce(
        (graph) => {
          const w = weightsOf(graph, vae.encoder, oldAttentionName);
          const side = golden('vae.latents').shape[2]!;
          return {
            moments: vaeEncode(
              w,
              vae.config,
              input(graph, 'sample', 'float32', [batch, ...golden('vae.sample').shape.slice(1)]),
            ),
            decoded: vaeDecode(
              w,
              vae.config,
              input(graph, 'latents', 'float32', [batch, vae.config.latent_channels, side, side]),
            ),
          };
        },
        { sample: golden('vae.sample'), latents: golden('vae.latents') },
      );
      expect(relativeError(out['moments']!, golden('vae.moments'))).toBeLessThan(tolerance);
      expect(relativeError(out['decoded']!, golden('vae.decoded'))).toBeLessThan(tolerance);
    }
  });
});

describe('builders', () => {
  it('refuse sizes that cannot be halved, naming them', async () => {
    const { unet, vae } = await openModelFolder(`${fixtures}sd1`);
    const graph = createGraph();
    const zeros = (_name: string, shape: readonly number[]): Value => constant(graph, floatTensor(shape));
    const sample = input(graph, 'sample', 'float32', [1, 4, 9, 8]);
    const picture = input(graph, 'picture', 'float32', [1, 3, 15, 16]);
    const timestep = input(graph, 'timestep', 'float32', []);
    const context = input(graph, 'context', 'float32', [1, 7, 32]);
    expect(() =>
      unet2DCondition(zeros, unet.config, { sample, timestep, encoderHiddenStates: context }),
    ).toThrow(/1,4,9,8.*multiples of 2/);
    expect(() => vaeEncode(zeros, vae.config, picture)).toThrow(/1,3,15,16.*multiples of 2/);
  });
});
