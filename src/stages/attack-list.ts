import { attackNamed, type PreparedAttack } from '../attacks/index.ts';
import { VerbatimError } from '../errors.ts';
import type { AttackConfig, AuditConfig } from './config.ts';

/** An attack of a config, ready to run, under the name that tables and report use. */
export interface NamedAttack {
  readonly label: string;
  readonly attack: PreparedAttack;
}

/** The attacks of a config: which score every caption, and which only what the first selected. */
export interface AttackList {
  /** Undefined where nothing is scored. */
  readonly first: NamedAttack | undefined;
  readonly second: NamedAttack | undefined;
  /** The first attack, then `alsoScore`. */
  readonly all: readonly NamedAttack[];
  /** The second attack, when it is not among `all`. */
  readonly selected: readonly NamedAttack[];
}

/**
 * @throws VerbatimError (exit code 2) for an unknown attack or option, a name that is used twice, or a second
 *   attack that is the first.
 */
export function attackList(config: AuditConfig['attacks']): AttackList {
  if (config.first === null) {
    if (config.second !== null || config.alsoScore.length > 0)
      throw new VerbatimError(
        `attacks: first is null, so nothing is scored; set ${config.second === null ? 'alsoScore to []' : 'second to null'} too`,
        { exitCode: 2 },
      );
    return { first: undefined, second: undefined, all: [], selected: [] };
  }
  const first = nameAttack(config.first);
  const all = [first, ...config.alsoScore.map(nameAttack)];
  const wanted = config.second === null ? undefined : nameAttack(config.second);
  const known = all.find(({ label }) => label === wanted?.label);
  if (wanted !== undefined && known !== undefined && !same(wanted, known)) throw usedTwice(wanted.label);
  // Its ranking is the first one's: it would select from the top of the same list.
  if (wanted?.label === first.label)
    throw new VerbatimError(
      `attacks.second: "${first.label}" is attacks.first too and would only cut the same ranking again; name another attack, or null and lower select.first`,
      { exitCode: 2 },
    );
  const labels = all.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw usedTwice(twice);
  const second = known ?? wanted;
  return { first, second, all, selected: second === undefined || known !== undefined ? [] : [second] };
}

function nameAttack(config: AttackConfig): NamedAttack {
  if (typeof config === 'string') return { label: config, attack: attackNamed(config).prepare() };
  const { attack, as = attack, options } = config;
  return { label: as, attack: attackNamed(attack).prepare(options) };
}

function same(a: NamedAttack, b: NamedAttack): boolean {
  return (
    a.attack.name === b.attack.name && JSON.stringify(a.attack.options) === JSON.stringify(b.attack.options)
  );
}

function usedTwice(label: string): VerbatimError {
  return new VerbatimError(
    `attacks: "${label}" occurs twice; give one of them another name, as in {attack: ${label}, as: ${label}-2, options: {…}}`,
    { exitCode: 2 },
  );
}
