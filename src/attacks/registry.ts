import { closest } from 'fastest-levenshtein';
import { VerbatimError } from '../errors.ts';
import { dcs } from './dcs.ts';
import { dcsAntithetic } from './dcs-antithetic.ts';
import { dcsGreybox } from './dcs-greybox.ts';
import { ecs } from './ecs.ts';
import { noiseDifference } from './noise-difference.ts';
import { seedVariance } from './seed-variance.ts';
import type { Attack } from './types.ts';

/** All attacks, in the order in which lists show them. A new attack is a file and a line here. */
export const attacks: readonly Attack[] = [
  dcs,
  ecs,
  dcsAntithetic,
  noiseDifference,
  seedVariance,
  dcsGreybox,
];
export const attackNames: readonly string[] = attacks.map((attack) => attack.name);

/** The attack of that name; an unknown name is refused with the nearest one. */
export function attackNamed(name: string): Attack {
  const found = attacks.find((attack) => attack.name === name);
  if (found) return found;
  throw new VerbatimError(
    `There is no attack "${name}"; did you mean "${closest(name, attackNames)}"? Known: ${attackNames.join(', ')}.`,
    { exitCode: 2 },
  );
}
