import { twinLoss } from '../src/lab/index.ts';
import { createRandom, floatTensor, type Tensor } from '../src/math/index.ts';
import { parseClipTextConfig, parseUnetConfig } from '../src/models/index.ts';
import { openSession } from '../src/runtime/index.ts';
import { adamW, buildTrainingStep, flatLayout, initialFlat } from '../src/training/index.ts';
import { compare } from './compare.ts';
import { miniature, threads } from './miniature.ts';
import { startPeer } from './peer.ts';

/**
 * One optimisation step of the miniature's UNet and text encoder (forward, backward, clipping, Adam, moving
 * average), same configs and batch, against PyTorch CPU eager.
 */
export async function main(): Promise<void> {
  const { lab, unet, text, tokens } = await miniature();
  const batch = lab.training.batchSize;
  const twin = twinLoss({
    unet: parseUnetConfig(unet),
    text: parseClipTextConfig(text),
    batchSize: batch,
    tokens,
  });
  const layout = flatLayout(twin.parameters);
  const step = buildTrainingStep(layout, twin.loss, adamW(lab.training));
  const session = await openSession(step.model, { provider: 'cpu', threads });
  const initial = initialFlat(layout, twin.parameters, { seed: 1 });
  const held: Record<string, Tensor> = {};
  for (const name of step.vectors)
    held[name] = floatTensor(
      [layout.length],
      name === 'parameters' || name === 'average' ? initial : new Float32Array(layout.length),
    );
  await session.hold(held);

  const random = createRandom(2);
  const sampleShape = [batch, unet.in_channels, unet.sample_size, unet.sample_size];
  const noise = () =>
    floatTensor(
      sampleShape,
      Float32Array.from({ length: sampleShape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    );
  const scalar = (value: number) => floatTensor([], Float32Array.of(value));
  const feeds: Record<string, Tensor> = {
    sample: noise(),
    target: noise(),
    timestep: floatTensor(
      [batch],
      Float32Array.from({ length: batch }, () => random.integer(1000)),
    ),
    ids: {
      dtype: 'int64',
      shape: [batch, tokens],
      data: BigInt64Array.from({ length: batch * tokens }, () => BigInt(random.integer(text.vocab_size))),
    },
    learningRate: scalar(1e-4),
    firstCorrection: scalar(1),
    secondCorrection: scalar(1),
    averageDecay: scalar(0.998),
  };
  const peer = await startPeer('train-step', { unet, text, batch, tokens, threads });
  const run = async () => void (await session.run(feeds, { fetch: ['loss'], carry: step.carry }));
  const result = await compare(run, peer, { runs: 4 });
  await session.close();
  peer.close();
  const gigaflops = peer.flops / 1e9;
  process.stdout.write(
    `${peer.name}, ${peer.threads} threads, batch ${batch}, ${(layout.length / 1e6).toFixed(2)}M weights: ${(gigaflops / result.theirSeconds).toFixed(0)} GFLOP/s; ours ${(gigaflops / result.ourSeconds).toFixed(0)} GFLOP/s\n` +
      `train-step: ratio ${result.ratio.toFixed(2)} (ours ${(batch / result.ourSeconds).toFixed(1)} samples/s, ${peer.name} ${(batch / result.theirSeconds).toFixed(1)} samples/s)\n`,
  );
}
