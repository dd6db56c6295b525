import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { createRandom, rocCurve } from '../../math/index.ts';
import {
  type AskedRow,
  exposingAttack,
  membershipOutcome,
  type RunDescription,
  type ScoredAttack,
} from '../../stages/index.ts';
import { contentPath } from '../../tables/index.ts';
import { curvesCsv } from './index.ts';
import { type MembershipPageData, renderMembershipPage } from './page.ts';
import { attackTitle, verdictText } from './words.ts';

const run: RunDescription = {
  command: 'membership',
  verbatim: '0.1.0',
  versions: { duckdb: '1' },
  model: { name: 'm <b>', digest: 'a'.repeat(64) },
  dataset: { name: 'pool & co', digest: 'b'.repeat(64), size: 2 },
  heldOut: null,
  config: { attack: 'loss', draws: 8 },
};
const hostile = '<script>alert(1)</script> "onerror=x \u202e';

/** Members' scores lie `shift` above the others'; every seventh picture is not scored, one is left out. */
function data(
  sides: number,
  shift: number,
  extra: Partial<{ copies: number | null; planted: number; targets: number }> = {},
): MembershipPageData {
  const { targets = 1 } = extra;
  const random = createRandom(4);
  const rows = Array.from({ length: 2 * sides + 1 }, (_, i): AskedRow => {
    const member = i % 2 === 0;
    return {
      target: targets === 1 ? 'target' : `<b>${i % targets}`,
      picture: i,
      source: i,
      key: `${hostile} ${i}`,
      caption: '',
      member,
      copies: member ? (extra.copies === undefined ? 1 + (i % 5) : extra.copies) : 0,
      pool: i,
      pixels: 'c'.repeat(64),
      error: i === 2 * sides ? `<img src=x> ${hostile}` : null,
    };
  });
  const scores = (by: number) => rows.map(({ member }) => (member ? by : 0) + random.normal());
  // Online LiRA is silent on pictures that are in no shadow: some by chance, planted ones where a lab keeps them out.
  const partly = (list: number[]) =>
    list.map((score, i) => (i % 7 === 3 || rows[i]!.copies === extra.planted ? Number.NaN : score));
  const attacks: ScoredAttack[] = [
    { name: 'loss', scores: scores(shift / 2), evaluations: 1200 },
    {
      name: 'lira-online-averaged-flips',
      scores: partly(scores(shift)),
      evaluations: 123456,
      lira: { variance: 'fixed', deviations: { in: 1, out: 1 } },
    },
  ];
  const outcome = membershipOutcome({
    attack: 'loss',
    target: 'target',
    shadows: 7,
    rows,
    attacks,
    headline: 'lira-online-averaged-flips',
    exposing: exposingAttack(attacks, rows).name,
    evaluations: 99,
    seed: 0,
  });
  const exposed = [0, 2, 4].map((picture, i) => ({
    rank: i + 1,
    target: rows[picture]!.target,
    picture,
    attack: outcome.exposing,
    score: 3 - i,
    non_members_above: i,
    image: `d${picture}`.padEnd(64, 'd'),
    completion: i === 1 ? 'e'.repeat(64) : null,
  }));
  const images = new Map(
    exposed
      .flatMap(({ image, completion }) => (completion === null ? [image] : [image, completion]))
      .map((digest) => [digest, { path: `images/${contentPath(digest, 'png')}`, width: 8, height: 8 }]),
  );
  return { outcome, rows, attacks, exposed, images };
}
const render = (given: MembershipPageData) => {
  const text = renderMembershipPage(run, given);
  return { text, document: parseHTML(text).document };
};

describe('the page of membership', () => {
  it('has a row for each of several targets in place of the copies', () => {
    const given = data(300, 2, { targets: 3 });
    const { document, text } = render(given);
    const rows = [...document.querySelectorAll('#scores tbody tr')].map((row) =>
      [...row.querySelectorAll('td')].map((cell) => cell.textContent!),
    );
    expect(rows.map(([name]) => name)).toEqual(['<b>0', '<b>1', '<b>2']);
    const counts = rows.map(([, recognised]) => recognised!.split(' / ').map(Number));
    const attack = given.outcome.attacks[1]!;
    expect(counts.reduce((sum, [, members]) => sum + members!, 0)).toBe(attack.members);
    expect(document.querySelector('h1')!.textContent).toMatch(/% of \d+ members of 3 models are recognised/);
    expect(document.querySelector('.name')!.textContent).toContain('and 2 models like it?');
    expect(text).not.toContain('<b>0');
    // Which model gives a picture away stands below it.
    const [first] = document.querySelectorAll('#exposed .item');
    expect(first!.textContent).toContain(`Model${given.exposed[0]!.target}`);
  });

  it('has the verdict of the headline attack, and says what it means', () => {
    const given = data(300, 2);
    const { document } = render(given);
    const attack = given.outcome.attacks[1]!;
    const { tpr, interval } = attack.rates[1]!;
    const share = (value: number) => `${(100 * value).toFixed(1).replace(/\.0$/, '')}%`;
    expect(document.querySelector('h1')!.textContent).toBe(
      `${share(tpr!)} of ${attack.members} members are recognised at 1% false positives`,
    );
    const lead = document.querySelector('.lead')!.textContent!;
    expect(lead).toContain(`${share(interval!.low)} to ${share(interval!.high)}`);
    expect(lead).toContain('Guessing finds 1%');
    expect(lead).toContain('7 shadow models');
    expect(lead).toContain(`could not score ${attack.unscored} pictures`);
    expect(lead).toContain('1 picture was left out');
  });

  it('has every attack with its rates and cost, and a curve for each', () => {
    const { document } = render(data(300, 2));
    const lines = [...document.querySelectorAll('#attacks tbody tr')].map((row) =>
      [...row.querySelectorAll('td')].map(({ textContent }) => textContent!.trim()),
    );
    expect(lines.map((cells) => cells[0])).toEqual([
      'Loss threshold, one draw',
      'LiRA online, averaged and mirrored too (verdict)',
    ]);
    expect(lines[1]!.at(-1)).toBe('123,456');
    // With 300 non-members nothing can be said at .1%.
    expect(lines.map((cells) => cells[2])).toEqual(['–', '–']);
    expect(lines[0]![3]).toMatch(/^[\d.]+%/);
    const curves = [...document.querySelectorAll('#attacks svg.chart g[aria-label="line"] path')];
    expect(curves.length).toBe(3);
    for (const path of curves) expect(path.getAttribute('d')).not.toContain('NaN');
  });

  it('has rates by copies in powers of two, which sum to the members that were scored', () => {
    const given = data(300, 2);
    const { document } = render(given);
    const rows = [...document.querySelectorAll('#scores tbody tr')].map((row) =>
      [...row.querySelectorAll('td')].map(({ textContent }) => textContent!),
    );
    expect(rows.map(([copies]) => copies)).toEqual(['1', '2–3', '4–7']);
    expect(rows.reduce((sum, [, members]) => sum + Number(members), 0)).toBe(
      given.outcome.attacks[1]!.members,
    );
    const unknown = render(data(300, 2, { copies: null })).document.querySelector('#scores')!.textContent;
    expect(unknown).toContain('nobody knows how often');
  });

  it('tells planted pictures that are in no shadow by the last attack that scores them', () => {
    const given = data(300, 2, { planted: 4 });
    const { outcome, rows, attacks } = given;
    const planted = rows.flatMap(({ copies, member }, i) => (member && copies === 4 ? [i] : []));
    const others = rows.flatMap(({ member, error }, i) => (!member && error === null ? [i] : []));
    // 1% in the strict convention of 300: two non-members may lie above.
    const limit = others.map((i) => attacks[0]!.scores[i]!).sort((a, b) => b - a)[2]!;
    expect(outcome.byCopies!.map(({ copies, attack }) => [copies, attack])).toEqual([
      [1, 'lira-online-averaged-flips'],
      [2, 'lira-online-averaged-flips'],
      [4, 'loss'],
    ]);
    const group = rows.flatMap(({ copies, member }, i) => (member && copies! >= 4 ? [i] : []));
    expect(planted.length).toBeGreaterThan(group.length / 3);
    expect(outcome.byCopies![2]).toMatchObject({
      members: group.length,
      detected: group.filter((i) => attacks[0]!.scores[i]! > limit).length,
    });
    expect(outcome.exposing).toBe('loss');
    const { document } = render(given);
    expect(document.querySelector('#scores table')!.textContent).toContain('Loss threshold, one draw');
    expect(document.querySelector('#exposed p')!.textContent).toContain(
      'highest scores of the attack Loss threshold, one draw',
    );
  });

  it('says that there are too few non-members, and no rate', () => {
    const given = data(40, 2);
    const { document } = render(given);
    expect(document.querySelector('h1')!.textContent).toMatch(
      /^AUC 0\.\d{3}; \d\d non-members are too few for a rate at 1% false positives$/,
    );
    expect(document.querySelector('.lead')!.textContent).toContain('100 non-members are needed');
    expect(given.outcome.byCopies).toBeNull();
  });

  it('shows the most exposed members with their pictures, which lie beside it', () => {
    const { document } = render(data(100, 1));
    const sources = [...document.querySelectorAll('#exposed img')].map((image) => image.getAttribute('src'));
    expect(sources).toHaveLength(4);
    for (const source of sources) expect(source).toMatch(/^images\/[de][0-9ed]\/[0-9de]{64}\.png$/);
    expect([...document.querySelectorAll('#exposed figcaption')].map((one) => one.textContent)).toContain(
      'completed',
    );
  });

  it('holds no script and no markup of others', () => {
    const { document, text } = render(data(100, 1));
    expect(document.querySelectorAll('script')).toHaveLength(0);
    expect(text).not.toContain('<script');
    expect(text).not.toContain('<img src=x>');
    expect(document.querySelector('.caption')!.textContent).toBe('<script>alert(1)</script> "onerror=x � 0');
  });

  it('does with an attack that scored nobody', () => {
    const given = data(100, 1);
    const attacks = given.attacks.map((one) => ({ ...one, scores: given.rows.map(() => Number.NaN) }));
    const outcome = membershipOutcome({
      ...{
        attack: 'loss',
        target: 't',
        shadows: 0,
        rows: given.rows,
        attacks,
        headline: 'loss',
        exposing: 'loss',
        evaluations: 0,
        seed: 0,
      },
    });
    const { document } = render({ ...given, attacks, outcome, exposed: [] });
    expect(document.querySelector('h1')!.textContent).toBe(
      'The attack could score no pictures of both sides',
    );
    expect(document.querySelectorAll('.empty')).toHaveLength(3);
  });
});

it('curves.csv has every point of every curve', () => {
  const given = data(50, 1);
  const [head, ...lines] = curvesCsv(given).trimEnd().split('\r\n');
  expect(head).toBe('attack,threshold,false_positive_rate,true_positive_rate');
  const loss = lines.filter((line) => line.startsWith('loss,'));
  const of = (member: boolean) =>
    given.rows.flatMap((row, i) =>
      row.error === null && row.member === member ? [given.attacks[0]!.scores[i]!] : [],
    );
  const curve = rocCurve(of(true), of(false));
  expect(loss).toHaveLength(curve.thresholds.length);
  expect(loss[0]).toBe('loss,,0,0');
  expect(loss.at(-1)).toBe(`loss,${curve.thresholds.at(-1)},1,1`);
});

it.each([
  ['loss', 'Loss threshold, one draw'],
  ['loss-averaged', 'Loss threshold, averaged'],
  ['loss-flips', 'Loss threshold, mirrored too'],
  ['lira-offline-averaged-flips', 'LiRA offline, averaged and mirrored too'],
  ['inpainting', 'Inpainting, over a plain fill'],
])('%s is called %s', (name, title) => {
  expect(attackTitle(name)).toBe(title);
});

it('the verdict is one line', () => {
  expect(verdictText(data(300, 2).outcome)).toMatch(
    /^[\d.]+% of \d+ members are recognised at 1% false positives$/,
  );
});
