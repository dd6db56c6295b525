import { VerbatimError } from '../errors.ts';
import type { AttackScore, Cell, Evaluations, Outputs, PreparedAttack, Subject } from './types.ts';
import { accessLevels } from './types.ts';

export interface ScoreOptions {
  /** Captions per table, which bounds the memory; does not change the scores. Default 64. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of captions done. */
  readonly onBatch?: (done: number) => void;
}

export interface ScoredCaptions {
  /** scores[attack][caption], in the order given. */
  readonly scores: readonly (readonly AttackScore[])[];
  /** What each attack would have spent on these captions alone, its shared evaluations counted once. */
  readonly alone: readonly Evaluations[];
  /** What was really spent: cells that attacks have in common, equal captions and cached halves count once. */
  readonly spent: Evaluations;
}

/**
 * Refuses an attack that needs more than the subject gives, by name, and one whose noise level lies outside of
 * the subject's. Computes nothing.
 */
export function requireAccess(
  attack: Pick<PreparedAttack, 'name' | 'access' | 'options'>,
  subject: Subject,
): void {
  if (accessLevels.indexOf(attack.access) > accessLevels.indexOf(subject.access))
    throw new VerbatimError(
      `Attack "${attack.name}" needs access to the ${attack.access.replace('-', ' ')} of its subject, but "${subject.name}" gives only the ${subject.access.replace('-', ' ')}; choose an attack that does with that.`,
      { exitCode: 2 },
    );
  const { sigma } = attack.options;
  if (typeof sigma === 'number') subject.outputs([]).sigma(sigma);
}

/** Passes a table on and writes down which of its cells were read. */
function recorded(outputs: Outputs): {
  outputs: Outputs;
  conditional: Set<string>;
  unconditional: Set<string>;
} {
  const conditional = new Set<string>();
  const unconditional = new Set<string>();
  const key = (cell: Cell) => `${outputs.sigma(cell.sigma)} ${cell.seed} ${cell.sign ?? 1}`;
  const both = (cell: Cell, scale: number) => {
    conditional.add(key(cell));
    if (scale !== 1) unconditional.add(key(cell));
  };
  return {
    conditional,
    unconditional,
    outputs: {
      captions: outputs.captions,
      sigma: (option) => outputs.sigma(option),
      input: (cell) => outputs.input(cell),
      conditional(cell) {
        conditional.add(key(cell));
        return outputs.conditional(cell);
      },
      unconditional(cell) {
        unconditional.add(key(cell));
        return outputs.unconditional(cell);
      },
      guided(cell, scale) {
        both(cell, scale);
        return outputs.guided(cell, scale);
      },
      pictures(cell, scale) {
        both(cell, scale);
        return outputs.pictures(cell, scale);
      },
      encoded(cell, scale) {
        both(cell, scale);
        return outputs.encoded(cell, scale);
      },
    },
  };
}

/**
 * Scores captions with several attacks over one table per batch, so that every denoiser output is computed
 * once however many attacks read it. Throws before anything is computed when an attack needs access that
 * the subject does not give.
 */
export async function scoreAll(
  subject: Subject,
  captions: readonly string[],
  attacks: readonly PreparedAttack[],
  options: ScoreOptions = {},
): Promise<ScoredCaptions> {
  const { batch = 64, signal, onBatch } = options;
  for (const attack of attacks) requireAccess(attack, subject);
  const before = subject.spent;
  const scores: AttackScore[][] = attacks.map(() => []);
  const perCaption = attacks.map(() => 0);
  const shared = attacks.map(() => new Set<string>());

  for (let from = 0; from < captions.length; from += batch) {
    const table = subject.outputs(captions.slice(from, from + batch));
    for (const [i, attack] of attacks.entries()) {
      signal?.throwIfAborted();
      const view = recorded(table);
      const values = await attack.measure(view.outputs);
      if (values.length !== table.captions.length)
        throw new RangeError(
          `attack "${attack.name}" gave ${values.length} scores for ${table.captions.length} captions`,
        );
      const evaluations = view.conditional.size;
      scores[i]!.push(...values.map((score) => ({ score, evaluations })));
      perCaption[i]! += evaluations * values.length;
      for (const cell of view.unconditional) shared[i]!.add(cell);
    }
    onBatch?.(Math.min(from + batch, captions.length));
  }
  const after = subject.spent;
  return {
    scores,
    alone: attacks.map((_, i) => ({ conditional: perCaption[i]!, unconditional: shared[i]!.size })),
    spent: {
      conditional: after.conditional - before.conditional,
      unconditional: after.unconditional - before.unconditional,
    },
  };
}
