import type { z } from 'zod';
import type { PictureOrError } from '../images/index.ts';
import type { Tensor } from '../math/index.ts';

/**
 * What an attack needs of its subject, least first; each level contains the ones before it.
 * 'image': one-step pictures for a caption and a seed. 'seeded-noise': also which noise a seed stands for.
 * 'encoder': also the first-stage encoder that leads from pictures to latents. 'denoiser': also estimates of the
 * denoiser at any noise level.
 */
export type Access = 'image' | 'seeded-noise' | 'encoder' | 'denoiser';
export const accessLevels: readonly Access[] = ['image', 'seeded-noise', 'encoder', 'denoiser'];

/** A noise level by value, or the model's largest. */
export type SigmaOption = number | 'max';

/** Where the denoiser is asked: at `x = sign·σ·ε(seed)`. All captions share the noise of a seed. */
export interface Cell {
  readonly sigma: SigmaOption;
  readonly seed: number;
  /** Default 1. */
  readonly sign?: 1 | -1;
}

/**
 * The denoiser's outputs for one batch of captions, filled when they are first read. Attacks are pure
 * functions of this table, so several attacks on one batch share what they have in common.
 */
export interface Outputs {
  readonly captions: readonly string[];
  /** The noise level in numbers; outside of the model's range is a user's error. */
  sigma(option: SigmaOption): number;
  /** x of the cell, [1, c, h, w]. */
  input(cell: Cell): Tensor<'float32'>;
  /** D(x, σ, caption), [captions, c, h, w]. One evaluation per caption. */
  conditional(cell: Cell): Promise<Tensor<'float32'>>;
  /** D(x, σ, ∅), [1, c, h, w]. One evaluation for all captions of all batches. */
  unconditional(cell: Cell): Promise<Tensor<'float32'>>;
  /** Classifier-free guidance over the two; scale 1 leaves the unconditional half out. */
  guided(cell: Cell, scale: number): Promise<Tensor<'float32'>>;
  /** The guided estimate as a picture, one per caption; an error where it is not a number. */
  pictures(cell: Cell, scale: number): Promise<readonly PictureOrError[]>;
  /**
   * Those pictures encoded by the first stage, [captions, c, h, w]: what is known of the guided estimate to somebody who
   * sees pictures only. NaN where the picture is an error.
   */
  encoded(cell: Cell, scale: number): Promise<Tensor<'float32'>>;
}

/** Denoiser evaluations, apart by whether a caption needs them or all captions share them. */
export interface Evaluations {
  /** Summed over captions. */
  readonly conditional: number;
  /** Computed once per (σ, seed, sign): belong to the stage, not to a caption. */
  readonly unconditional: number;
}

/** What is attacked. */
export interface Subject {
  readonly name: string;
  readonly access: Access;
  /** Opens a table for a batch of captions; nothing is computed yet. */
  outputs(captions: readonly string[]): Outputs;
  /** What was really computed since the subject was made. */
  readonly spent: Evaluations;
}

export interface AttackScore {
  /** Higher means more memorized, for every attack. NaN where the subject returned values that are not finite. */
  readonly score: number;
  /** Evaluations that this caption costs when the attack runs alone; shared ones are not in it. */
  readonly evaluations: number;
}

/** What an attack costs with its options: per caption, and once for all captions. */
export interface AttackCost {
  readonly perCaption: number;
  readonly shared: number;
}

/** An attack with its options checked and filled in. */
export interface PreparedAttack {
  readonly name: string;
  readonly access: Access;
  readonly options: Readonly<Record<string, unknown>>;
  readonly cost: AttackCost;
  /** One score per caption of the table. */
  measure(outputs: Outputs): Promise<readonly number[]>;
}

export interface Attack {
  readonly name: string;
  readonly access: Access;
  readonly higher: 'more memorized';
  /** One line for lists and reports: the formula in words and its source. */
  readonly describe: string;
  /** The options with their defaults, for the JSON Schema of configurations. */
  readonly optionsSchema: z.ZodType;
  /** Checks options; throws a VerbatimError that names the option, for an unknown one the nearest known. */
  prepare(options?: unknown): PreparedAttack;
  /** Scores captions with this attack alone. To run several, `scoreAll` shares their evaluations. */
  score(subject: Subject, captions: readonly string[], options?: unknown): Promise<readonly AttackScore[]>;
}
