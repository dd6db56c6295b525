import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VerbatimError } from '../src/errors.ts';
import { input, peakActivationBytes } from '../src/graph/index.ts';
import { createRandom, elementCount } from '../src/math/index.ts';
import { sketchNetwork, unet2DCondition, unetParameters, writeSafetensors } from '../src/models/index.ts';
import { compare } from './compare.ts';
import { ensureFullSizeModel, fullSizeUnet } from './fullSizeModel.ts';
import { threads } from './miniature.ts';
import { startOurs, startPeer } from './peer.ts';
import { peakResident, whole } from './program.ts';
import { difference, normalTensor } from './tensors.ts';

const help = `usage: npm run bench -- full-size [OPTIONS]

  --dtype TYPE     float32 (default) or float16: how the weights are stored; both sides compute in float32
  --batch N        samples of one call (1)
  --rounds N       rounds of one call each (5)
  --folder PATH    where the random weights lie (${join(tmpdir(), 'verbatim-full-size')}; 4.3 GB in float32)
`;

/** What one process said when it had loaded the network and run it once. */
interface Loaded {
  readonly loadSeconds: number;
  readonly output: readonly number[];
}

/** Load time, memory, speed and result of Stable Diffusion 1.5's UNet against diffusers on PyTorch CPU eager. */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      dtype: { type: 'string', default: 'float32' },
      batch: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '5' },
      folder: { type: 'string', default: join(tmpdir(), 'verbatim-full-size') },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const { dtype } = values;
  if (dtype !== 'float32' && dtype !== 'float16')
    throw new VerbatimError(`--dtype ${dtype}: expected float32 or float16`);
  const [batch, rounds] = [positive('batch', values.batch), positive('rounds', values.rounds)];

  const model = join(values.folder, dtype);
  await ensureFullSizeModel(model, dtype);
  const inputs = join(values.folder, `inputs-${batch}.safetensors`);
  const random = createRandom(1);
  const { in_channels, cross_attention_dim } = fullSizeUnet;
  await writeSafetensors(inputs, {
    sample: normalTensor(random, [batch, in_channels, 64, 64]),
    states: normalTensor(random, [batch, 77, cross_attention_dim as number]),
  });

  const ours = await startOurs('./fullSizeOurs.ts', { model, inputs, threads });
  const peer = await startPeer('full-size', { model, inputs, threads }, 'full_size.py');
  const result = await compare(async () => void (await ours.run(1)), peer, { rounds, runs: 1, warmup: 1 });
  const [ourPeak, theirPeak] = [await peakResident(ours.pid), await peakResident(peer.pid)];
  ours.close();
  peer.close();

  const [mine, theirs] = [ours.results as Loaded, peer.results as Loaded];
  const { worst, largest } = difference(mine.output, theirs.output);
  const weightBytes =
    4 * unetParameters(fullSizeUnet).reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const activationBytes = activations(batch);
  const needBytes = weightBytes + activationBytes;
  const rate = (seconds: number) => (peer.flops / 1e9 / seconds).toFixed(0);
  const peak = (bytes: number | undefined) =>
    bytes === undefined ? 'unknown' : `${mebibytes(bytes)} MiB, ${(bytes / needBytes).toFixed(2)} x`;
  process.stdout.write(
    `Stable Diffusion 1.5's UNet, ${whole(weightBytes / 4e6)} million parameters stored in ${dtype}, latents ${batch} x 4 x 64 x 64, ${threads} threads, ${(peer.flops / 1e9).toFixed(0)} GFLOP a call\n` +
      `largest difference of the outputs: ${worst.toExponential(1)}, largest output ${largest.toFixed(2)}\n` +
      `load: ours ${mine.loadSeconds.toFixed(1)} s, diffusers ${theirs.loadSeconds.toFixed(1)} s (it maps the file and reads it in the first call)\n` +
      `peak memory of the process: ours ${peak(ourPeak)}, PyTorch ${peak(theirPeak)} of what must be held at once: weights ${mebibytes(weightBytes)} MiB and activations ${mebibytes(activationBytes)} MiB\n` +
      `speed: ours ${rate(result.ourSeconds)} GFLOP/s, ${peer.name} ${rate(result.theirSeconds)} GFLOP/s\n` +
      `full-size: ratio ${result.ratio.toFixed(2)} (ours ${(batch / result.ourSeconds).toFixed(3)} evaluations/s, ${peer.name} ${(batch / result.theirSeconds).toFixed(3)} evaluations/s)\n`,
  );
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new VerbatimError(`--${name} ${text}: expected a whole number from 1 on`);
  return value;
}

function mebibytes(bytes: number): string {
  return whole(bytes / 2 ** 20);
}

/** Bytes of activations that one call of our graph must hold at once. */
function activations(batch: number): number {
  const { graph } = sketchNetwork(
    (scratch, weights) =>
      unet2DCondition(weights, fullSizeUnet, {
        sample: input(scratch, 'sample', 'float32', [batch, fullSizeUnet.in_channels, 64, 64]),
        timestep: input(scratch, 'timestep', 'float32', []),
        encoderHiddenStates: input(scratch, 'states', 'float32', [
          batch,
          77,
          fullSizeUnet.cross_attention_dim as number,
        ]),
      }),
    { runtimeOperators: true },
  );
  return peakActivationBytes(graph, {});
}
