import { describe, expect, it } from 'vitest';
import { calibrate, calibrateOnPictures } from './calibrate.ts';
import { labelPictures } from './label.ts';
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
