import { describe, expect, it } from 'vitest';
import { rms } from '../images/index.ts';
import { distanceAgain, type KeptFinding } from './again.ts';
import { compareCopies, createBackground, maskedRms, workingMask, workingPicture } from './copies/index.ts';
import { referenceDistance, referenceTemplateDistance } from './reference.ts';
import { randomDrawing, randomPictures, render } from './testing/drawings.ts';
import { disturbed } from './testing/pictures.ts';
import type { Transform } from './types.ts';

const transform: Transform = { flip: true, scale: 1.2, x: 0.05, y: -0.03 };
const background = createBackground(randomPictures(40, 100).map(workingPicture));
const mask = { width: 64, height: 64, data: new Uint8Array(64 * 64).fill(1, 0, 64 * 40) };
const none = { transform: null, mask: null, copies: null };

describe('distanceAgain', () => {
  const training = render(randomDrawing(1));
  const found = disturbed(training, 12, 1);
  const other = disturbed(training, 25, 2);
  const unrelated = render(randomDrawing(2));
  const finding = (more: Partial<KeptFinding>): KeptFinding => ({
    rule: 'calibrated',
    verdict: 'MV',
    distance: 0.3,
    found,
    training,
    ...none,
    ...more,
  });

  it('gives an equal picture the recorded distance, by any rule', () => {
    for (const rule of ['reference', 'calibrated', 'aligned', 'local', 'descriptor'] as const)
      expect(distanceAgain(finding({ rule }), { ...found })).toBe(0.3);
  });

  it('computes what two pictures suffice for', () => {
    expect(distanceAgain(finding({}), other)).toBeCloseTo(rms(other, training), 12);
    expect(distanceAgain(finding({ rule: 'reference' }), other)).toBe(referenceDistance(other, training));
    expect(distanceAgain(finding({ rule: 'reference', verdict: 'TV', mask }), other)).toBe(
      referenceTemplateDistance(training, other, mask),
    );
  });

  it('holds a template against what else was near it', () => {
    const [before, now] = [found, other].map((picture) =>
      maskedRms(workingPicture(picture), workingPicture(training), workingMask({ mask })),
    );
    const around = 0.2;
    const recorded = before! / around / 0.5;
    const again = distanceAgain(
      finding({ rule: 'aligned', verdict: 'TV', mask, distance: recorded }),
      other,
    )!;
    expect(again).toBeCloseTo(now! / around / 0.5, 9);
  });

  it.each([
    ['in place', undefined],
    ['mirrored, scaled and moved', transform],
  ])('says of aligned findings nearly what the rule would, %s', (_, moved) => {
    const place = render(randomDrawing(1), 64, moved);
    const before = disturbed(place, 12, 1);
    const copied = (picture: typeof before) => {
      const working = workingPicture(picture);
      return compareCopies(
        { picture: working, background: background.of(working) },
        workingPicture(training),
        [moved ?? { flip: false, scale: 1, x: 0, y: 0 }],
      ).whole!;
    };
    const { explained, cells, transform: laid } = copied(before);
    const kept = finding({
      rule: 'aligned',
      found: before,
      distance: (1 - explained) / 0.7,
      transform: moved === undefined ? null : laid,
      // In place an RMS far below its threshold would decide.
      copies: {
        explained,
        cells: Array.from(cells, (cell) => (Number.isNaN(cell) ? null : cell)),
        explainedThreshold: 0.3,
        rmsThreshold: 1e-6,
      },
    });
    const changed = disturbed(place, 30, 5);
    const exact = (1 - copied(changed).explained) / 0.7;
    expect(Math.abs(distanceAgain(kept, changed)! - exact)).toBeLessThan(0.05);
    expect(distanceAgain(kept, unrelated)).toBeGreaterThan(1);
  });

  it.each([
    ['decided', 0],
    ['did not count', 0.1],
  ])('of a moved picture the RMS in place %s: so it is again', (_, above) => {
    const before = disturbed(render(randomDrawing(1), 64, transform), 12, 1);
    const near = (picture: typeof before) => rms(picture, training) / 0.8;
    const kept = finding({
      rule: 'aligned',
      found: before,
      transform,
      distance: near(before) + above,
      // Next to nothing is explained by moving it: 1 − .01 over .7.
      copies: { explained: 0.01, cells: new Array(64).fill(1.5), explainedThreshold: 0.3, rmsThreshold: 0.8 },
    });
    const changed = disturbed(before, 2, 5);
    const again = distanceAgain(kept, changed)!;
    if (above === 0) expect(again).toBeCloseTo(near(changed), 9);
    else expect(again).toBeGreaterThan(1);
  });

  it('says nothing where too little is kept', () => {
    expect(distanceAgain(finding({ rule: 'aligned' }), other)).toBeNull();
    expect(distanceAgain(finding({ rule: 'local' }), other)).toBeNull();
  });
});
