import { describe, expect, it } from 'vitest';
import type { CopyFindings, NearTemplate } from './aligned.ts';
import { calibrate, calibrateOnPictures } from './calibrate.ts';
import { calibratedLabel, labelPictures, referenceLabel } from './label.ts';
import { collectionOf, disturbed, noisePicture } from './testing/pictures.ts';
import type { GeneratedPicture, OwnPicture } from './types.ts';

const pictures = Array.from({ length: 12 }, (_, i) => noisePicture(i));
const training = collectionOf(pictures);
const own = (index: number): OwnPicture => ({ index, image: `sha${index}`, picture: pictures[index]! });
const calibration = { ...calibrate([0.05, 0.3, 0.31], 12), threshold: 0.05 };
const rules = { training, calibration };
const subject = (values: Partial<GeneratedPicture>): GeneratedPicture => ({
  key: 'k',
  sample: 0,
  image: 'generated',
  picture: pictures[3]!,
  own: [own(3)],
  ...values,
});

describe('labelPictures', () => {
  it('finds a repeated picture by both rules, at distance 0', async () => {
    const labels = await labelPictures([subject({})], rules);
    expect(labels.map(({ rule }) => rule)).toEqual(['reference', 'calibrated']);
    for (const label of labels)
      expect(label).toMatchObject({
        key: 'k',
        sample: 0,
        image: 'generated',
        verdict: 'MV',
        distance: 0,
        trainingIndex: 3,
        trainingImage: 'sha3',
        error: null,
      });
    expect(labels[1]!.evidence).toMatchObject({
      own: { index: 3, distance: 0 },
      nearest: { index: 3, distance: 0 },
    });
  });

  it('takes the nearest of several own pictures and decides at the threshold itself', async () => {
    const near = disturbed(pictures[4]!, 6, 9);
    const [, calibrated] = await labelPictures([subject({ picture: near, own: [own(3), own(4)] })], rules);
    expect(calibrated).toMatchObject({ verdict: 'MV', trainingIndex: 4 });
    const threshold = calibrated!.distance!;
    const at = await labelPictures([subject({ picture: near, own: [own(4)] })], {
      training,
      calibration: { ...calibration, threshold },
    });
    const below = await labelPictures([subject({ picture: near, own: [own(4)] })], {
      training,
      calibration: { ...calibration, threshold: threshold * (1 - 1e-12) },
    });
    expect([at[1]!.verdict, below[1]!.verdict]).toEqual(['MV', 'none']);
  });

  it('calls the repetition of another training picture a retrieval verbatim, by both rules', async () => {
    const labels = await labelPictures([subject({ own: [own(8)] })], rules);
    for (const label of labels)
      expect(label).toMatchObject({ verdict: 'RV', distance: 0, trainingIndex: 3, trainingImage: null });
    expect(labels[0]!.threshold).toBe(3000);
    expect(labels[1]!.evidence).toMatchObject({ own: { index: 8 }, nearest: { index: 3 } });
  });

  it('counts a match with a picture that the model never saw, so that false positives can show', async () => {
    const unseen = noisePicture(77);
    const [, label] = await labelPictures(
      [subject({ picture: unseen, own: [{ index: null, image: 'unseen', picture: unseen }] })],
      rules,
    );
    expect(label).toMatchObject({ verdict: 'MV', trainingIndex: null, trainingImage: 'unseen' });
  });

  it('labels a caption without pictures of its own by the nearest one', async () => {
    const labels = await labelPictures([subject({ own: [], picture: noisePicture(50) })], rules);
    expect(labels[0]).toMatchObject({ verdict: 'none', error: null });
    expect(labels[1]).toMatchObject({ verdict: 'none', error: null });
    expect(labels[1]!.distance).toBeGreaterThan(0.1);
  });

  it('turns a missing or odd-sized picture into rows with an error and goes on', async () => {
    const labels = await labelPictures(
      [
        subject({ key: 'missing', picture: null, image: null, error: 'the PNG is cut short' }),
        subject({ key: 'odd', picture: noisePicture(1, 5) }),
        subject({ key: 'a' }),
        subject({ key: 'b', sample: 1 }),
      ],
      rules,
    );
    expect(labels).toHaveLength(8);
    expect(labels.slice(0, 2).map((l) => l.error)).toEqual(['the PNG is cut short', 'the PNG is cut short']);
    expect(labels[3]).toMatchObject({ key: 'odd', verdict: null, distance: null });
    expect(labels[3]!.error).toMatch(/5×5, the others are 8×8/);
    expect(labels.slice(4).map((l) => l.verdict)).toEqual(['MV', 'MV', 'MV', 'MV']);
  });

  it('gives an error row when no training picture can be read and the caption has none', async () => {
    const unreadable = collectionOf(pictures, [...pictures.keys()]);
    const labels = await labelPictures([subject({ own: [] })], { ...rules, training: unreadable });
    expect(labels[1]).toMatchObject({ verdict: null, error: expect.stringMatching(/could be read/) });
  });

  it('gives nothing for nothing', async () => {
    expect(await labelPictures([], rules)).toEqual([]);
  });
});

const mask = { width: 8, height: 8, data: new Uint8Array(64).fill(1, 0, 32) };
const near = (ratio: number): NearTemplate => ({
  family: 'family-0000005',
  seed: 5,
  distance: ratio * 0.3,
  around: 0.3,
  ratio,
  mask,
});

describe('referenceLabel', () => {
  // On pictures of 8 × 8, each value counts 1,024 times, roughly: bicubic enlargement smooths noise.
  const far = noisePicture(60);
  const other = { index: 6, picture: pictures[6]! };
  const template = { near: near(0.9), picture: pictures[5]! };
  const judge = (picture: typeof far, retrieved: Parameters<typeof referenceLabel>[2]) =>
    referenceLabel(subject({ picture }), undefined, retrieved);

  it('decides in the order TV, MV, RV, none, by its own distances', () => {
    // Upper half of the template, lower half of the caption's own picture.
    const mixed = { ...far, data: far.data.map((v, i) => (i < 96 ? pictures[5]!.data[i]! : v)) };
    expect(judge(mixed, { nearest: other, template })).toMatchObject({
      verdict: 'TV',
      threshold: 2500,
      trainingIndex: 5,
      family: 'family-0000005',
      mask,
    });
    expect(judge(pictures[3]!, { nearest: other, template })).toMatchObject({
      verdict: 'MV',
      trainingIndex: 3,
    });
    expect(judge(pictures[6]!, { nearest: other, template })).toMatchObject({
      verdict: 'RV',
      threshold: 3000,
      trainingIndex: 6,
    });
    expect(judge(far, { nearest: other, template })).toMatchObject({ verdict: 'none', trainingIndex: 3 });
    expect(judge(pictures[5]!, { template })).toMatchObject({ verdict: 'TV', distance: 0 });
  });

  it('needs less than the threshold, and its own for a retrieved picture', () => {
    const { distance } = judge(disturbed(pictures[3]!, 60, 1), {});
    const at = (threshold: number) =>
      referenceLabel(subject({ picture: disturbed(pictures[3]!, 60, 1) }), threshold).verdict;
    expect(at(distance!)).toBe('none');
    expect(at(distance! * (1 + 1e-12))).toBe('MV');
  });
});

describe('calibratedLabel', () => {
  it('decides in the order TV, MV, RV, none, and takes thresholds in', () => {
    const verdict = (own: number, nearest: number, ratio: number | null) =>
      calibratedLabel(
        subject({ picture: pictures[own]! }),
        { index: 7, distance: nearest },
        0.05,
        ratio === null ? null : near(ratio),
      ).verdict;
    expect(verdict(3, 0, 0.5)).toBe('TV');
    expect(verdict(3, 0, 0.5 + 1e-9)).toBe('MV');
    expect(verdict(4, 0.05, null)).toBe('RV');
    expect(verdict(4, 0.05 + 1e-9, 0.51)).toBe('none');
  });

  it('holds a template’s distance against half of that to what else is near', () => {
    const label = (ratio: number) =>
      calibratedLabel(subject({}), { index: 7, distance: 0.4 }, 0.05, near(ratio));
    expect(label(0.2)).toMatchObject({
      verdict: 'TV',
      threshold: 0.15,
      trainingIndex: 5,
      mask,
      family: 'family-0000005',
    });
    expect(label(0.2).distance).toBeCloseTo(0.06, 12);
    // A template met exactly has a threshold, too.
    expect(label(0)).toMatchObject({ verdict: 'TV', distance: 0, threshold: 0.15 });
  });
});

describe('labelPictures with the rules aligned and local', () => {
  const tail = { threshold: 0.4, quantile: 0.001, median: 0.1, scale: 0.05, reached: 0, suspects: 0 };
  const aligned = { calibration: { whole: tail, part: tail, heldOut: 600 }, familyOf: () => undefined };
  const copy = {
    index: 3,
    transform: { flip: false, scale: 1, x: 0, y: 0 },
    explained: 0.9,
    cells: new Array<number>(64).fill(4),
  };
  const findings: CopyFindings = {
    whole: copy,
    part: copy,
    own: { whole: copy, part: copy },
    template: null,
  };
  const all = ['reference', 'calibrated', 'aligned', 'local'] as const;

  it('gives each picture its labels in the order of the rules', async () => {
    const labels = await labelPictures([subject({}), subject({ key: 'b' })], {
      ...rules,
      rules: all,
      aligned,
      findings: () => findings,
    });
    expect(labels.map(({ key, rule, verdict }) => [key, rule, verdict])).toEqual(
      ['k', 'b'].flatMap((key) => all.map((rule) => [key, rule, 'MV'])),
    );
  });

  it('gives errors for a picture that was not looked for, and for one that is not there', async () => {
    const gone = subject({ key: 'gone', picture: null, image: null, error: 'not generated' });
    const labels = await labelPictures([subject({}), gone], {
      ...rules,
      rules: all,
      aligned,
      findings: () => undefined,
    });
    expect(labels.map(({ verdict, error }) => [verdict, error])).toEqual([
      ['MV', null],
      ['MV', null],
      ...Array(2).fill([null, 'it was not looked for copies of this picture']),
      ...Array(4).fill([null, 'not generated']),
    ]);
  });

  it('lets the template decide for all rules but local', async () => {
    const labels = await labelPictures([subject({ picture: pictures[5]! })], {
      ...rules,
      rules: all,
      aligned,
      findings: () => ({ ...findings, template: near(0.1) }),
    });
    expect(labels.map(({ verdict }) => verdict)).toEqual(['TV', 'TV', 'TV', 'MV']);
  });
});

describe('calibrateOnPictures', () => {
  it('measures held-out pictures against the training set and counts only what could be read', async () => {
    const heldOut = [noisePicture(200), noisePicture(201), disturbed(pictures[2]!, 10, 1)];
    const calibration = await calibrateOnPictures(heldOut, collectionOf(pictures, [0]), { quantile: 0.34 });
    expect(calibration).toMatchObject({ heldOut: 3, trainingSize: 11, reached: 1, tooFew: false });
    expect(calibration.threshold).toBeGreaterThan(0);
    expect(calibration.threshold).toBeLessThan(10 / 255);
  });

  it('refuses a training set of which nothing can be read', async () => {
    await expect(
      calibrateOnPictures([pictures[0]!], collectionOf(pictures.slice(0, 1), [0])),
    ).rejects.toThrow(/none of the 1 training pictures can be read/);
  });
});
