import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { oneStep, openPipeline } from '../src/diffusion/index.ts';
import { VerbatimError } from '../src/errors.ts';
import { floatTensor, type Tensor } from '../src/math/index.ts';
import { openModelFolder, openSafetensors, openVae } from '../src/models/index.ts';
import { ensurePeers, peerFolder, python } from './peer.ts';
import { root } from './program.ts';

const help = `npm run bench -- diffusers [--model models/twin-a] [--captions test/fixtures/miniature-captions.txt]
  --model      a diffusers folder of a v-prediction model
  --captions   a text file with one caption per line; the noise of line i has seed i, from 0
`;

/** How far a value of ours may lie from diffusers'. */
const limit = 1e-3;
/** The one step of peers/make_miniature_fixture.py. */
const guidance = 7.5;

/**
 * Opens a model folder with Python's diffusers, which must not say a word (peers/check_model_folder.py), and
 * compares one step from σ_max to 0 for the same noise: the estimated latents and the decoded pictures in
 * [−1, 1], both as floats. Prints the largest absolute differences.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string', default: join(root, 'models', 'twin-a') },
      captions: { type: 'string', default: join(root, 'test', 'fixtures', 'miniature-captions.txt') },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const folder = resolve(values.model);
  const captions = (await readFile(values.captions, 'utf8')).split('\n').filter((line) => line !== '');
  await ensurePeers();
  process.stdout.write(runPython(join(peerFolder, 'check_model_folder.py'), [folder]));

  const scratch = await mkdtemp(join(tmpdir(), 'verbatim-diffusers-'));
  try {
    const theirs = await theirOneStep(scratch, folder, values.captions);
    const ours = await ourOneStep(folder, captions);
    const latents = largestDifference(ours.estimates, theirs.estimates);
    const pictures = largestDifference(ours.pictures, theirs.pictures);
    process.stdout.write(
      `${captions.length} captions, guidance ${guidance}, PyTorch ${theirs.torch}\n` +
        `latents    largest difference ${latents.difference.toExponential(1)}, largest value ${latents.largest.toFixed(2)}\n` +
        `pictures   largest difference ${pictures.difference.toExponential(1)}, largest value ${pictures.largest.toFixed(2)}\n`,
    );
    const difference = Math.max(latents.difference, pictures.difference);
    if (!(difference <= limit)) process.exitCode = 1;
    process.stdout.write(
      `diffusers: ratio ${(limit / difference).toFixed(1)} (ours ${difference.toExponential(1)} difference, limit 1e-3)\n`,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface OneStep {
  /** [captions, c, h, w]: D(σ_max·ε, σ_max, c). */
  readonly estimates: Tensor<'float32'>;
  /** [captions, 3, height, width] in [−1, 1] and a little beyond. */
  readonly pictures: Tensor<'float32'>;
}

async function ourOneStep(folder: string, captions: readonly string[]): Promise<OneStep> {
  const pipeline = await openPipeline(folder);
  // The pipeline's own pictures are rounded to 8 bits, coarser than the limit: its decoder is asked itself.
  const vae = openVae(await openModelFolder(folder));
  try {
    const { latents } = await oneStep(pipeline, { captions, seeds: captions.map((_, i) => i), guidance });
    const unscaled = floatTensor(
      latents.shape,
      latents.data.map((value) => value / vae.scalingFactor + vae.shiftFactor),
    );
    return { estimates: latents, pictures: await vae.decode(unscaled) };
  } finally {
    await Promise.all([pipeline.close(), vae.close()]);
  }
}

/**
 * Runs peers/make_miniature_fixture.py away from the committed fixture. It finds model and captions from its
 * own place, so it gets a checkout in small: itself, the captions, and the model as models/twin-a.
 */
async function theirOneStep(scratch: string, model: string, captions: string) {
  const script = join(scratch, 'bench', 'peers', 'make_miniature_fixture.py');
  const fixtures = join(scratch, 'test', 'fixtures');
  for (const path of [join(script, '..'), fixtures, join(scratch, 'models')])
    await mkdir(path, { recursive: true });
  await copyFile(join(peerFolder, 'make_miniature_fixture.py'), script);
  await copyFile(captions, join(fixtures, 'miniature-captions.txt'));
  await symlink(model, join(scratch, 'models', 'twin-a'));
  runPython(script, []);
  const file = openSafetensors(join(fixtures, 'miniature-onestep.safetensors'));
  try {
    const read = (name: string): Tensor<'float32'> => {
      const tensor = file.read(name);
      if (tensor.dtype !== 'float32') throw new Error(`${name} is ${tensor.dtype}, not float32`);
      return tensor as Tensor<'float32'>;
    };
    return {
      estimates: read('estimates'),
      pictures: read('pictures'),
      torch: file.metadata['torch'] ?? 'of unknown version',
    };
  } finally {
    file.close();
  }
}

/** What a script prints. Its progress and remarks on stderr are shown only when it fails. */
function runPython(script: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(python, [script, ...args], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) {
    process.stderr.write(stderr);
    throw new VerbatimError(`${script} ended with ${status}; what it said stands above`);
  }
  return stdout;
}

/** Largest absolute difference of two tensors, and the largest absolute value of the second. */
function largestDifference(ours: Tensor<'float32'>, theirs: Tensor<'float32'>) {
  if (ours.shape.join() !== theirs.shape.join())
    throw new Error(`shapes differ: ours [${ours.shape.join(', ')}], theirs [${theirs.shape.join(', ')}]`);
  let difference = 0;
  let largest = 0;
  for (const [i, value] of theirs.data.entries()) {
    // Not Math.max: a NaN must not be overlooked.
    const here = Math.abs(ours.data[i]! - value);
    if (!(here <= difference)) difference = here;
    largest = Math.max(largest, Math.abs(value));
  }
  return { difference, largest };
}
