import { attackNamed, type PreparedAttack } from '../attacks/index.ts';
import { VerbatimError } from '../errors.ts';
import type { AttackConfig } from './cascade-schema.ts';

/** An attack of a config, ready to run, under the name that tables and report use. */
export interface NamedAttack {
  readonly label: string;
  readonly attack: PreparedAttack;
}

/** @throws VerbatimError (exit code 2) for an unknown attack or option */
export function nameAttack(config: AttackConfig): NamedAttack {
  if (typeof config === 'string') return { label: config, attack: attackNamed(config).prepare() };
  const { attack, as = attack, options } = config;
  return { label: as, attack: attackNamed(attack).prepare(options) };
}

/**
 * Attacks that score the same captions side by side.
 *
 * @throws VerbatimError (exit code 2) for an unknown attack or option, or a name that is used twice
 */
export function nameAttacks(configs: readonly AttackConfig[]): NamedAttack[] {
  const named = configs.map(nameAttack);
  const labels = named.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw usedTwice(twice);
  return named;
}

/** Whether two attacks give the same scores, whatever they are called. */
export function sameAttack(a: NamedAttack, b: NamedAttack): boolean {
  return (
    a.attack.name === b.attack.name && JSON.stringify(a.attack.options) === JSON.stringify(b.attack.options)
  );
}

export function usedTwice(label: string): VerbatimError {
  return new VerbatimError(
    `the attack "${label}" occurs twice; give one of them another name, as in {attack: ${label}, as: ${label}-2, options: {…}}`,
    { exitCode: 2 },
  );
}
