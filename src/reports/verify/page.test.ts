import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { type RunDescription, type VerificationRow, verificationOutcome } from '../../stages/index.ts';
import { mostShown } from './findings.ts';
import { renderVerifyPage } from './page.ts';

const run: RunDescription = {
  command: 'verify',
  verbatim: '0.1.0',
  versions: { duckdb: '1' },
  model: { name: 'm <b>', digest: 'a'.repeat(64) },
  dataset: { name: 'run & co', digest: 'b'.repeat(64), size: 2 },
  heldOut: null,
  config: { batch: 4, steps: [1, 4] },
};
const hostile = '<script>alert(1)</script> "onerror=x \u202e';

const row = (finding: string, steps: number, distance: number | null): VerificationRow => ({
  finding,
  caption: `${hostile} ${finding}`,
  verdict: 'MV',
  rule: 'reference',
  seed: 7n,
  steps,
  sampler: 'heun',
  guidance: 7.5,
  noise: 'torch-cpu',
  image: distance === null ? null : 'c'.repeat(63) + steps,
  recorded_image: null,
  rms: null,
  recorded_distance: null,
  distance,
  threshold: 2500,
  verbatim: distance === null ? null : distance < 2500,
  evaluations: steps,
  error: distance === null ? '<img src=x>' : null,
});
const render = (rows: readonly VerificationRow[]) => {
  const text = renderVerifyPage(run, verificationOutcome(rows), rows);
  return { text, document: parseHTML(text).document };
};
const cells = (rows: ReturnType<ReturnType<typeof render>['document']['querySelectorAll']>) =>
  [...rows].map((line) => [...line.querySelectorAll('td')].map(({ textContent }) => textContent));

describe('the page of verify', () => {
  const sweep = [
    row('a', 4, 100),
    row('a', 1, 9000),
    row('b', 1, 2000),
    row('b', 4, 3000),
    row('c', 1, 5000),
    row('c', 4, null),
  ];

  it('has the sweep as a table and a chart: how many are verbatim, and how many here first', () => {
    const { document } = render(sweep);
    expect(document.querySelector('h1')!.textContent).toBe(
      '1 of 3 findings are verbatim after 1 step, 2 at any of 2 numbers of steps',
    );
    expect(cells(document.querySelectorAll('#steps tbody tr'))).toEqual([
      ['1', '1', '3', '33.3%', '1'],
      ['4', '1', '2', '50%', '1'],
      ['never', '', '', '', '1'],
    ]);
    expect(document.querySelectorAll('#steps svg circle')).toHaveLength(2);
  });

  it('shows the pictures of each finding by steps, those within the threshold in a frame', () => {
    const { document } = render(sweep);
    const items = [...document.querySelectorAll('.item')];
    expect(items.map((one) => one.querySelectorAll('figure').length)).toEqual([2, 2, 2]);
    expect(items.map((one) => one.querySelector('.match img')?.getAttribute('src'))).toEqual([
      `../images/cc/${'c'.repeat(63)}4.png`,
      `../images/cc/${'c'.repeat(63)}1.png`,
      undefined,
    ]);
    expect(items.map((one) => one.querySelector('.said')!.textContent)).toEqual([
      'MV verbatim first at 4 steps',
      'MV verbatim first at 1 step',
      'MV at none of these',
    ]);
    expect(items[2]!.querySelector('.missing')!.textContent).toBe('<img src=x>');
  });

  it('holds no script and no markup of others', () => {
    const { document } = render(sweep);
    expect(document.querySelectorAll('script')).toHaveLength(0);
    expect(document.querySelector('.caption')!.textContent).toBe('<script>alert(1)</script> "onerror=x � a');
    const policy = document.querySelector('meta[http-equiv]')!.getAttribute('content');
    expect(policy).toMatch(/^default-src 'none';/);
    for (const image of document.querySelectorAll('img'))
      expect(image.getAttribute('src')).toMatch(/^\.\.\/images\/cc\/c{63}[14]\.png$/);
  });

  it('leaves the sweep out where there is one number of steps, and says what reproduces', () => {
    const { document } = render([row('a', 4, 100), row('b', 4, 3000)]);
    expect(document.querySelector('h1')!.textContent).toBe('1 of 2 findings reproduce');
    expect(document.querySelector('#steps')).toBeNull();
    expect([...document.querySelectorAll('.said')].map((one) => one.textContent)).toEqual([
      'MV reproduces',
      'MV does not reproduce',
    ]);
  });

  it('shows so many findings and says how many more there are', () => {
    const { document } = render(Array.from({ length: mostShown + 3 }, (_, i) => row(String(i), 4, i)));
    expect(document.querySelectorAll('.item')).toHaveLength(mostShown);
    expect(document.querySelector('#findings > .note')!.textContent).toBe(
      '3 further findings in tables/verifications.',
    );
  });
});
