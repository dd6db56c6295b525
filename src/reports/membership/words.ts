import type { AttackOutcome, MembershipOutcome } from '../../stages/index.ts';
import { area, counted, integer, list, percentage } from '../format.ts';

/** What each attack does, in a line of a table. */
export function attackTitle(name: string): string {
  if (name === 'inpainting') return 'Inpainting, over a plain fill';
  if (name === 'inpainting-over-all') return 'Inpainting, over the mean of all';
  if (name === 'inpainting-plain') return 'Inpainting, distance alone';
  const [, method = name, ways = ''] = /^(loss|lira-offline|lira-online)(.*)$/.exec(name) ?? [];
  const title = { loss: 'Loss threshold', 'lira-offline': 'LiRA offline', 'lira-online': 'LiRA online' };
  const of = Object.hasOwn(title, method) ? title[method as keyof typeof title] : method;
  const over = [
    ...(ways.includes('averaged') ? ['averaged'] : []),
    ...(ways.includes('flips') ? ['mirrored too'] : []),
  ];
  return over.length === 0 ? (ways === '' ? `${of}, one draw` : `${of}${ways}`) : `${of}, ${list(over)}`;
}

/** The headline attack's figures. */
export function headlineOf(outcome: MembershipOutcome): AttackOutcome {
  return outcome.attacks.find(({ name }) => name === outcome.headline)!;
}

const rateAt = ({ rates }: AttackOutcome, fpr: number) => rates.find((one) => one.fpr === fpr);

/** The verdict in one line, as plain text. */
export function verdictText(outcome: MembershipOutcome): string {
  const attack = headlineOf(outcome);
  const rate = rateAt(attack, 0.01);
  if (attack.auc === null) return 'The attack could score no pictures of both sides';
  if (rate === undefined || rate.tpr === null)
    return `AUC ${area(attack.auc)}; ${counted(attack.nonMembers, 'non-member')} are too few for a rate at 1% false positives`;
  const all = outcome.targets === 1 ? '' : ` of ${counted(outcome.targets, 'model')}`;
  return `${percentage(rate.tpr)} of ${counted(attack.members, 'member')}${all} are recognised at 1% false positives`;
}

/** What the verdict means, for who does not read such figures every day. */
export function meaningText(outcome: MembershipOutcome): string {
  const attack = headlineOf(outcome);
  const rate = rateAt(attack, 0.01);
  const parts: string[] = [];
  if (rate !== undefined && rate.tpr !== null && rate.interval !== null)
    parts.push(
      `A threshold is laid so that fewer than 1 in 100 pictures that the model never saw are called members; of those that it was trained on ${percentage(rate.tpr)} then are (95% interval ${percentage(rate.interval.low)} to ${percentage(rate.interval.high)}). Guessing finds 1%.`,
    );
  else
    parts.push(
      `At 1% false positives ${integer(100)} non-members are needed, ${integer(1000)} at .1%: with fewer these rates cannot be told from 0.`,
    );
  parts.push(
    `The verdict is that of the attack that knows most (${attackTitle(attack.name)}${outcome.shadows > 0 ? `, ${counted(outcome.shadows, 'shadow model')}` : ''}), chosen before anything was measured.`,
  );
  if (outcome.targets > 1)
    parts.push(
      `Each of ${counted(outcome.targets, 'model')} was the target in turn, with the others as its shadows: a picture counts once for each, and the intervals take these for independent.`,
    );
  if (attack.unscored > 0)
    parts.push(
      outcome.targets === 1
        ? `It could not score ${counted(attack.unscored, 'picture')}.`
        : `Of pictures and models together it could not score ${counted(attack.unscored, 'pair')}.`,
    );
  if (outcome.failed > 0)
    parts.push(`${counted(outcome.failed, 'picture')} ${outcome.failed === 1 ? 'was' : 'were'} left out.`);
  return parts.join(' ');
}
