import { existsSync } from 'node:fs';
import { VerbatimError } from '../errors.ts';
import { floatTensor } from '../math/index.ts';
import { openSafetensors, writeSafetensors } from '../models/index.ts';

/** Everything that a training run is, between two steps. */
export interface Checkpoint {
  /** Steps that are done. */
  readonly step: number;
  /** Weights, moments, average: by the training step's vector names. */
  readonly vectors: Readonly<Record<string, Float32Array>>;
  /** The loss of each step done. */
  readonly losses: Float32Array;
  /** Wall-clock seconds spent on them, over all interruptions. */
  readonly seconds: number;
}

/** Writes a checkpoint as one safetensors file, renamed into place when it is whole. */
export async function writeCheckpoint(path: string, digest: string, checkpoint: Checkpoint): Promise<void> {
  const tensors = Object.fromEntries(
    Object.entries(checkpoint.vectors).map(([name, values]) => [name, floatTensor([values.length], values)]),
  );
  await writeSafetensors(
    path,
    { ...tensors, losses: floatTensor([checkpoint.losses.length], checkpoint.losses) },
    {
      metadata: {
        format: 'pt',
        step: String(checkpoint.step),
        seconds: checkpoint.seconds.toFixed(1),
        digest,
      },
    },
  );
}

/**
 * Reads a checkpoint, or undefined when there is none. Refuses one of another run (its digest) or of
 * another network (its vectors' length).
 */
export async function readCheckpoint(
  path: string,
  digest: string,
  length: number,
): Promise<Checkpoint | undefined> {
  if (!existsSync(path)) return undefined;
  const file = openSafetensors(path);
  try {
    if (file.metadata['digest'] !== digest)
      throw new VerbatimError(
        `${path}: this checkpoint is of another configuration; remove it to train anew, or go back to the configuration it was made with.`,
      );
    const vectors: Record<string, Float32Array> = {};
    for (const name of file.entries.keys()) {
      const values = file.read(name).data as Float32Array;
      if (name !== 'losses' && values.length !== length)
        throw new VerbatimError(`${path}: "${name}" holds ${values.length} values, expected ${length}.`);
      vectors[name] = values;
    }
    const { losses, ...rest } = vectors;
    if (!losses) throw new VerbatimError(`${path}: "losses" is missing; remove the file to train anew.`);
    return {
      step: Number(file.metadata['step']),
      seconds: Number(file.metadata['seconds'] ?? 0),
      vectors: rest,
      losses,
    };
  } finally {
    file.close();
  }
}
