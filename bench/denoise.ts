import { constant, createGraph, input, model } from '../src/graph/index.ts';
import { createRandom, floatTensor } from '../src/math/index.ts';
import { initialValues, parseUnetConfig, unet2DCondition, unetParameters } from '../src/models/index.ts';
import { openSession } from '../src/runtime/index.ts';
import { compare } from './compare.ts';
import { miniature, threads } from './miniature.ts';
import { startPeer } from './peer.ts';
import { normalTensor } from './tensors.ts';

/** Evaluations per second of the miniature's denoiser, batch 16, against diffusers on PyTorch CPU eager. */
export async function main(): Promise<void> {
  const batch = 16;
  const { unet, tokens } = await miniature();
  const config = parseUnetConfig(unet);
  const random = createRandom(1);
  const values = new Map(
    unetParameters(config).map((p) => [
      p.name,
      floatTensor(
        p.shape,
        initialValues(p, () => random.uniform()),
      ),
    ]),
  );
  const size = unet.sample_size;
  const shapes = {
    sample: [batch, unet.in_channels, size, size],
    encoder_hidden_states: [batch, tokens, unet.cross_attention_dim],
  };
  // As models are opened to be run.
  const graph = createGraph({ runtimeOperators: true });
  const out = unet2DCondition((name) => constant(graph, values.get(name)!, name), config, {
    sample: input(graph, 'sample', 'float32', shapes.sample),
    timestep: input(graph, 'timestep', 'float32', [batch]),
    encoderHiddenStates: input(graph, 'encoder_hidden_states', 'float32', shapes.encoder_hidden_states),
  });
  const session = await openSession(model(graph, { out }), { provider: 'cpu', threads });
  const feeds = {
    sample: normalTensor(random, shapes.sample),
    timestep: floatTensor([batch], new Float32Array(batch).fill(500)),
    encoder_hidden_states: normalTensor(random, shapes.encoder_hidden_states),
  };
  const peer = await startPeer('denoise', { unet, batch, tokens, threads });
  const result = await compare(async () => void (await session.run(feeds)), peer, { runs: 10 });
  await session.close();
  peer.close();
  const gigaflops = peer.flops / 1e9;
  process.stdout.write(
    `${peer.name}, ${peer.threads} threads, batch ${batch}: ${(gigaflops / result.theirSeconds).toFixed(0)} GFLOP/s; ours ${(gigaflops / result.ourSeconds).toFixed(0)} GFLOP/s\n` +
      `denoise: ratio ${result.ratio.toFixed(2)} (ours ${(batch / result.ourSeconds).toFixed(0)} evaluations/s, ${peer.name} ${(batch / result.theirSeconds).toFixed(0)} evaluations/s)\n`,
  );
}
