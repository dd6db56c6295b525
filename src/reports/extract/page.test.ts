import { describe, expect, it } from 'vitest';
import type { ExtractedRow, ExtractSummary, RunDescription } from '../../stages/index.ts';
import { renderExtractPage } from './page.ts';
import { expectedText } from './sections.ts';

const run: RunDescription = {
  command: 'extract',
  verbatim: '0.0.0',
  versions: {},
  model: { name: '<b>model</b>', digest: 'd' },
  dataset: { name: 'train', digest: 'e', size: 100 },
  heldOut: null,
  config: {},
};

function summaryWith(changes: Partial<ExtractSummary>): ExtractSummary {
  return {
    model: run.model,
    dataset: { name: 'train', size: 100, unreadable: 0, distinct: 100 },
    heldOut: null,
    generated: { pictures: 8, failed: 0, distinct: 8, evaluations: 0 },
    neighbours: 50,
    alpha: 0.5,
    size: { width: 8, height: 8 },
    threshold: { value: 1, by: 'fixed', share: null, heldOut: null },
    extracted: { images: 0, pictures: 0, generations: 0, expectedFalsePositives: null },
    growth: [
      { generated: 1, images: 0 },
      { generated: 8, images: 0 },
    ],
    thresholds: [{ threshold: 1, pictures: 0, generations: 0, heldOut: null, expectedFalsePositives: null }],
    histogram: [
      { low: 0, high: 1, generated: 0, heldOut: 0 },
      { low: 1, high: 2, generated: 8, heldOut: 0 },
    ],
    failures: [],
    ...changes,
  };
}

const row: ExtractedRow = {
  rank: 1,
  extracted: true,
  training_index: 3,
  key: 'row-3',
  caption: '<script>alert(1)</script>',
  members: '[3,4]',
  copies: 12,
  times: 2,
  first: 5,
  generation: 5,
  seed: null,
  generated_key: '"><img src=x onerror=alert(1)>',
  distance: 0.01,
  background: 0.2,
  normalised: 0.1,
  mirrored: null,
  image: 'a'.repeat(64),
  training_image: 'b'.repeat(64),
  error: null,
};
const none = { found: [], missed: [], pairs: new Map() };

describe('renderExtractPage', () => {
  it('says that nothing was found, and that no rate is known without held-out pictures', () => {
    const page = renderExtractPage(run, summaryWith({}), none);
    expect(page).toContain('<em>0</em> training images in 8 generated pictures');
    expect(page).toContain('No generated picture lies within the threshold');
    expect(page).toContain('No false positive rate is known.');
    expect(page).not.toMatch(/never seen|By chance|NaN|undefined/);
  });

  it('escapes what others wrote, and says what is missing', () => {
    const failures = [{ stage: 'generations', reason: '<script>boom</script>', count: 2 }];
    const page = renderExtractPage(run, summaryWith({ failures }), { ...none, found: [row] });
    expect(page).not.toMatch(/<script|<img src=x|<b>model/);
    expect(page).toContain('&lt;script&gt;alert(1)');
    expect(page).toContain('&lt;script&gt;boom');
    expect(page.match(/no picture/g)!.length).toBeGreaterThanOrEqual(3);
  });

  it('tells how the threshold came about and what chance brings', () => {
    const heldOut = { median: -0.5, scale: 0.06, suspects: 3, compared: 500, within: 4 };
    const changes = {
      heldOut: { name: 'test', size: 500, failed: 0 },
      threshold: { value: 0.8, by: 'tail', share: 0.125, heldOut },
      extracted: { images: 1, pictures: 2, generations: 2, expectedFalsePositives: 0.9999 },
      thresholds: [
        { threshold: 0.8, pictures: 2, generations: 2, heldOut: 4, expectedFalsePositives: 0.9999 },
      ],
    } as const;
    const page = renderExtractPage(run, summaryWith(changes), { ...none, found: [row] });
    expect(page).toContain('lies where the tail of 500 pictures that the model never saw has 1 of all');
    expect(page).toContain('3 of these lie too near to training pictures for chance');
    expect(page).toContain('By chance 1 would.');
    expect(page).toMatch(/Near-duplicates<\/dt><dd>2</);
  });
});

describe('expectedText', () => {
  it('has two digits, and no exponent', () => {
    const texts = [0, 3e-17, 0.0000871, 0.26061, 1.0000000000000002, 12.34, 144.49, 12_345].map(expectedText);
    expect(texts).toEqual(['0', '< 0.000001', '0.000087', '0.26', '1', '12', '144', '12,345']);
  });
});
