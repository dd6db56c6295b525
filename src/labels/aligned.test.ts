import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignedLabel, type Copied, type CopyFindings, localLabel, type NearTemplate } from './aligned.ts';
import type { CopyCalibration } from './calibrate-copies.ts';
import { noisePicture } from './testing/pictures.ts';
import { identityTransform } from './transform.ts';
import type { GeneratedPicture } from './types.ts';

const picture = noisePicture(1, 16);
const subject: GeneratedPicture = {
  key: 'k',
  sample: 2,
  image: 'generated',
  picture,
  own: [{ index: 3, image: 'sha3', picture: noisePicture(2, 16) }],
};

// Median .1 and scale .05: .1 + .05 · ln 500 = .4107 at .1%, .2956 at 1%.
const tail = (threshold: number) => ({
  threshold,
  quantile: 0.001,
  median: 0.1,
  scale: 0.05,
  reached: 0,
  suspects: 0,
});
const calibrationOf = (whole: number, part: number): CopyCalibration => ({
  whole: tail(whole),
  part: tail(part),
  heldOut: 600,
});
const calibration = calibrationOf(0.4, 0.2);
const rules = { calibration, familyOf: () => undefined };
const far = { own: null, nearest: null, threshold: 0.05 };

/** Cells explained in columns `from` to `to`, all rows, by `value` nats; 0 elsewhere. */
const columns = (from: number, to: number, value = 4) =>
  Array.from({ length: 64 }, (_, cell) => (cell % 8 >= from && cell % 8 <= to ? value : 0));
const copied = (index: number | null, explained: number, values: Partial<Copied> = {}): Copied => ({
  index,
  transform: identityTransform,
  explained,
  cells: columns(0, 7),
  ...values,
});
const whole = (own: number | null, other: number | null): CopyFindings => ({
  whole: other === null ? null : copied(7, other),
  part: null,
  own: own === null ? null : { whole: copied(3, own), part: copied(3, own) },
  template: null,
});
const mask = { width: 16, height: 16, data: new Uint8Array(256).fill(1, 0, 128) };
const template = (ratio: number): NearTemplate => ({
  family: 'family-0000020',
  seed: 20,
  distance: ratio * 0.2,
  around: 0.2,
  ratio,
  mask,
});

describe('alignedLabel', () => {
  it('decides in the order TV, MV, RV, none', () => {
    const verdict = (own: number | null, other: number | null, ratio: number | null) =>
      alignedLabel(
        subject,
        { ...whole(own, other), template: ratio === null ? null : template(ratio) },
        far,
        rules,
      ).verdict;
    expect(verdict(0.9, 0.95, 0.2)).toBe('TV');
    expect(verdict(0.9, 0.95, 0.6)).toBe('MV');
    expect(verdict(0.9, 0.95, null)).toBe('MV');
    expect(verdict(0.3, 0.95, null)).toBe('RV');
    expect(verdict(null, 0.95, null)).toBe('RV');
    expect(verdict(0.3, 0.3, 0.6)).toBe('none');
    expect(verdict(null, 0.3, null)).toBe('none');
    expect(verdict(0.9, null, null)).toBe('MV');
  });

  it('takes thresholds in: 1 is the distance at each of them', () => {
    const label = (own: number, ratio: number | null = null) =>
      alignedLabel(
        subject,
        { ...whole(own, 0.1), template: ratio === null ? null : template(ratio) },
        far,
        rules,
      );
    expect(label(0.4)).toMatchObject({ verdict: 'MV', distance: 1, threshold: 1 });
    expect(label(0.4 - 1e-9).verdict).toBe('none');
    expect(label(1)).toMatchObject({ verdict: 'MV', distance: 0 });
    expect(label(0.7).distance).toBeCloseTo(0.5, 12);
    expect(label(0, 0.5)).toMatchObject({ verdict: 'TV', distance: 1 });
    expect(label(0, 0.5 + 1e-9).verdict).toBe('none');
  });

  it('fills transform, region and the training picture, of the caption’s own and of others', () => {
    const transform = { flip: true, scale: 1.1, x: 0.02, y: 0 };
    const cells = columns(2, 5).map((value, cell) => (cell < 16 ? null : value));
    const own = copied(3, 0.6, { transform, cells });
    const label = alignedLabel(subject, { ...whole(0.6, 0.5), own: { whole: own, part: own } }, far, rules);
    expect(label).toMatchObject({
      key: 'k',
      sample: 2,
      image: 'generated',
      rule: 'aligned',
      verdict: 'MV',
      trainingIndex: 3,
      trainingImage: 'sha3',
      transform,
      region: { share: 24 / 64, box: [0.25, 0.25, 0.5, 0.75] },
      mask: null,
      family: null,
      evidence: { own: { index: 3, explained: 0.6 }, nearest: { index: 7, explained: 0.5 } },
      error: null,
    });
    expect(alignedLabel(subject, whole(0.1, 0.6), far, rules)).toMatchObject({
      verdict: 'RV',
      trainingIndex: 7,
      trainingImage: null,
      transform: null,
      region: { share: 1, box: [0, 0, 1, 1] },
    });
    // Nothing is repeated: the caption's own picture stands in the row, though another explains more.
    expect(alignedLabel(subject, whole(0.1, 0.3), far, rules)).toMatchObject({
      verdict: 'none',
      trainingIndex: 3,
    });
  });

  it('fills mask, region and family of a template', () => {
    expect(alignedLabel(subject, { ...whole(0.9, 0.9), template: template(0.25) }, far, rules)).toMatchObject(
      {
        verdict: 'TV',
        distance: 0.5,
        trainingIndex: 20,
        mask,
        region: { share: 0.5, box: [0, 0, 1, 0.5] },
        family: 'family-0000020',
        evidence: { template: { family: 'family-0000020', distance: 0.05, ratio: 0.25 } },
      },
    );
  });

  it('calls the repetition of a family’s member a template verbatim', () => {
    const familyOf = (index: number) => (index === 3 ? 'family-0000003' : undefined);
    expect(alignedLabel(subject, whole(0.9, 0.9), far, { calibration, familyOf })).toMatchObject({
      verdict: 'TV',
      trainingIndex: 3,
      family: 'family-0000003',
    });
    // Of a picture that the model never saw there is no family.
    const unseen = { ...whole(0.9, 0.1), own: { whole: copied(null, 0.9), part: copied(null, 0.9) } };
    expect(alignedLabel(subject, unseen, far, { calibration, familyOf }).verdict).toBe('MV');
  });

  it('takes what is near in place, where it explains more than one in a hundred unrelated pictures has', () => {
    const inPlace = (own: number | null, nearest: number | null, at = 7) => ({
      own: own === null ? null : { index: 3, distance: own },
      nearest: nearest === null ? null : { index: at, distance: nearest },
      threshold: 0.05,
    });
    // .1 + .05 · ln 50 = .2956.
    const label = (explained: number, rms: number) =>
      alignedLabel(subject, whole(explained, 0.1), inPlace(rms, null), rules);
    expect(label(0.3, 0.05)).toMatchObject({ verdict: 'MV', distance: 1 });
    expect(label(0.3, 0.025)).toMatchObject({ verdict: 'MV', distance: 0.5 });
    expect(label(0.3, 0.051).verdict).toBe('none');
    expect(label(0.29, 0.01).verdict).toBe('none');
    // However little unrelated pictures have explained, a tenth is asked for.
    const plain = { whole: { ...tail(0.2), median: 0, scale: 0.001 }, part: tail(0.2), heldOut: 600 };
    const weak = (explained: number) =>
      alignedLabel(subject, whole(explained, 0.01), inPlace(0.01, null), { ...rules, calibration: plain })
        .verdict;
    expect([weak(0.1), weak(0.099)]).toEqual(['MV', 'none']);
    // The nearest picture's RMS counts for that picture only.
    expect(alignedLabel(subject, whole(0.1, 0.3), inPlace(null, 0.04), rules).verdict).toBe('RV');
    expect(alignedLabel(subject, whole(0.1, 0.3), inPlace(null, 0.04, 8), rules).verdict).toBe('none');
    // Of several own pictures the distance counts for the one that it was measured to.
    const other = { ...inPlace(null, null), own: { index: 4, distance: 0.04 } };
    expect(alignedLabel(subject, whole(0.3, 0.1), other, rules).verdict).toBe('none');
  });

  it('never calls one of the caption’s own pictures another’s', () => {
    // The search over the whole set may lay it better than the comparison with it alone.
    const findings = { ...whole(0.35, null), whole: copied(3, 0.45) };
    expect(alignedLabel(subject, findings, far, rules)).toMatchObject({ verdict: 'MV', trainingIndex: 3 });
  });

  it('lets nothing through where the threshold is out of reach: held-out pictures that are copies', () => {
    for (const threshold of [1.05, 3]) {
      const strict = { calibration: calibrationOf(threshold, 0.2), familyOf: () => undefined };
      for (const explained of [0, 0.5, 1]) {
        const { verdict, distance } = alignedLabel(subject, whole(explained, 0.2), far, strict);
        expect(verdict).toBe('none');
        expect(distance).toBeGreaterThan(1);
      }
    }
    const at = { calibration: calibrationOf(1, 0.2), familyOf: () => undefined };
    expect(alignedLabel(subject, whole(1, 0.2), far, at)).toMatchObject({ verdict: 'MV', distance: 1 });
    expect(alignedLabel(subject, whole(0.99, 0.2), far, at).verdict).toBe('none');
  });

  it('finds an equal picture where the calibrated threshold is 0', () => {
    const label = alignedLabel(
      subject,
      whole(0.9, 0.2),
      { own: { index: 3, distance: 0 }, nearest: null, threshold: 0 },
      rules,
    );
    expect(label).toMatchObject({ verdict: 'MV', distance: 0 });
    const near = alignedLabel(
      subject,
      whole(0.3, 0.2),
      { own: { index: 3, distance: 0.01 }, nearest: null, threshold: 0 },
      rules,
    );
    expect(near.verdict).toBe('none');
  });

  it('has a distance of at least 0, at most 1 exactly where something is repeated', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const rms = fc.option(fc.double({ min: 0, max: 1, noNaN: true }));
    fc.assert(
      fc.property(
        share,
        share,
        rms,
        fc.double({ min: 0, max: 2, noNaN: true }),
        share,
        (own, other, near, at, limit) => {
          const label = alignedLabel(
            subject,
            whole(own, other),
            {
              own: near === null ? null : { index: 3, distance: near },
              nearest: near === null ? null : { index: 7, distance: near },
              threshold: limit,
            },
            { calibration: calibrationOf(at, 0.2), familyOf: () => undefined },
          );
          expect(label.distance).toBeGreaterThanOrEqual(0);
          expect(label.distance! <= 1).toBe(label.verdict !== 'none');
        },
      ),
    );
  });

  it('says so when nothing could be compared', () => {
    expect(alignedLabel(subject, whole(null, null), far, rules)).toMatchObject({
      verdict: null,
      distance: null,
      error: expect.stringMatching(/no training picture could be read/),
    });
  });
});

describe('localLabel', () => {
  // Two columns, 16 cells, of 3.5 nats: 2 above the bar each, .5 per cell of the picture.
  const half = (index: number | null, from: number, value = 3.5) =>
    copied(index, 0.2, {
      cells: columns(from, from + 1, value),
      transform: { ...identityTransform, x: 0.25 },
    });
  const findings = (own: Copied | null, part: Copied | null): CopyFindings => ({
    whole: null,
    part,
    own: own === null ? null : { whole: own, part: own },
    template: null,
  });

  it('decides MV before RV before none', () => {
    const verdict = (own: Copied | null, part: Copied | null) =>
      localLabel(subject, findings(own, part), rules).verdict;
    expect(verdict(half(3, 2), half(7, 4, 5.5))).toBe('MV');
    expect(verdict(half(3, 2, 1.6), half(7, 4))).toBe('RV');
    expect(verdict(null, half(7, 4))).toBe('RV');
    expect(verdict(half(3, 2, 1.6), half(7, 4, 1.7))).toBe('none');
    expect(verdict(half(3, 2), null)).toBe('MV');
    expect(verdict(half(null, 2), half(7, 4))).toBe('MV');
  });

  it('takes the threshold in, and gives both as factors', () => {
    const at = (threshold: number) =>
      localLabel(subject, findings(null, half(7, 4)), {
        calibration: calibrationOf(0.4, threshold),
        familyOf: () => undefined,
      });
    expect(at(0.5).verdict).toBe('RV');
    expect(at(0.5).distance).toBe(at(0.5).threshold);
    expect(at(0.5).distance).toBeCloseTo(Math.exp(-0.5), 12);
    expect(at(0.5001).verdict).toBe('none');
  });

  it('fills transform, region, mask and evidence', () => {
    const label = localLabel(subject, findings(half(3, 2), half(7, 4, 2)), rules);
    expect(label).toMatchObject({
      rule: 'local',
      verdict: 'MV',
      trainingIndex: 3,
      trainingImage: 'sha3',
      transform: { flip: false, scale: 1, x: 0.25, y: 0 },
      region: { share: 0.25, box: [0.25, 0, 0.25, 1] },
      evidence: { score: 0.5, explained: 0.2 },
      family: null,
      error: null,
    });
    expect(label.mask).toMatchObject({ width: 16, height: 16 });
    label.mask!.data.forEach((set, pixel) => {
      expect(set).toBe(pixel % 16 >= 4 && pixel % 16 < 8 ? 1 : 0);
    });
    const none = localLabel(subject, findings(half(3, 2, 1), half(7, 4, 1)), rules);
    expect(none).toMatchObject({ verdict: 'none', distance: 1, mask: null, region: null });
  });

  it('never calls one of the caption’s own pictures another’s', () => {
    const label = localLabel(subject, findings(half(3, 2, 1.6), half(3, 4)), rules);
    expect(label).toMatchObject({ verdict: 'MV', trainingIndex: 3 });
  });

  it('passes over cells that the training picture does not reach', () => {
    const cells = columns(0, 1).map((value) => (value === 0 ? null : value));
    const label = localLabel(subject, findings(null, copied(7, 0.3, { cells })), rules);
    expect(label).toMatchObject({ verdict: 'RV', region: { share: 0.25 } });
  });

  it('says so when nothing could be compared', () => {
    expect(localLabel(subject, findings(null, null), rules)).toMatchObject({
      verdict: null,
      error: expect.stringMatching(/no training picture could be read/),
    });
  });
});
