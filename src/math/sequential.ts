/** What is asked of a sequential test of whether a rate of hits is worth going on for. */
export interface SequentialOptions {
  /** Samples of the full test, from 2 on. */
  readonly samples: number;
  /** Hits among them that decide for yes, from 1 to `samples`. */
  readonly hits: number;
  /** The rate of hits from which on it must not be given up wrongly, inside (0, 1). Default `defaultRate`. */
  readonly rate?: number;
  /** The chance to give up wrongly, over all looks together, inside (0, 1). Default .05. */
  readonly error?: number;
  /** Numbers of samples at which it is looked, ascending, the last one `samples`. Default `growingLooks`. */
  readonly looks?: readonly number[];
  /** Hits that there are in any case: a largest clique has one member at least. Default 0. */
  readonly least?: number;
}

export interface Look {
  readonly samples: number;
  /** With so many hits or fewer it is given up; undefined where no number of them is reason enough. */
  readonly giveUpAt: number | undefined;
}

export interface SequentialTest {
  readonly samples: number;
  readonly hits: number;
  readonly rate: number;
  readonly error: number;
  readonly least: number;
  readonly looks: readonly Look[];
  /** The chance to be given up at some look when hits come at `rate`, exactly: at most `error`. */
  readonly spent: number;
}

/**
 * The default rate: five times what fills the hits on average, since a caption nearer to hits / samples is one that the
 * full test itself may miss; where that is no rate, the middle between hits / samples and 1.
 */
export function defaultRate(samples: number, hits: number): number {
  return Math.min((5 * hits) / samples, (1 + hits / samples) / 2);
}

/** Looks from `hits` samples on, each a quarter later than the one before: what is drawn beyond need is a quarter at most. */
export function growingLooks(samples: number, hits: number): number[] {
  const looks: number[] = [];
  for (let look = hits; look < samples; look = Math.ceil(1.25 * look)) looks.push(look);
  return [...looks, samples];
}

/**
 * A sequential test with the answers "yes" as soon as there are `hits` hits, which more samples cannot take back, and
 * "no" where it is futile to go on.
 *
 * The chance to give up on hits that come with `rate` or more is at most `error` over all looks: with the exact
 * distribution of hits among those who are still in the test (its binomial steps, one look after the other), each look
 * may give up on what has come to at most error · (samples so far / samples)^¼ (error spending: Lan and DeMets,
 * Biometrika 1983; the power family of Kim and DeMets 1987, with an exponent that spends early, since giving up early
 * is what saves). For a higher rate the chance is smaller: coupled sample by sample, whoever has more hits crosses
 * these bounds only where the other one does too.
 *
 * The statistic may be anything that is never smaller than the number of hits: see `decideLook`.
 *
 * @throws RangeError for options outside of their ranges
 */
export function sequentialTest(options: SequentialOptions): SequentialTest {
  const { samples, hits, error = 0.05, least = 0 } = options;
  if (!Number.isInteger(samples) || samples < 2)
    throw new RangeError(`A sequential test takes 2 samples or more; got ${samples}.`);
  if (!Number.isInteger(hits) || hits < 1 || hits > samples)
    throw new RangeError(`${hits} hits cannot be had of ${samples} samples; they lie in 1 … ${samples}.`);
  const { rate = Math.min(defaultRate(samples, hits), 0.99), looks = growingLooks(samples, hits) } = options;
  for (const [name, value] of Object.entries({ rate, error }))
    if (!(value > 0 && value < 1)) throw new RangeError(`The ${name} lies inside (0, 1); got ${value}.`);
  looks.forEach((look, i) => {
    if (!Number.isInteger(look) || look <= (looks[i - 1] ?? 0))
      throw new RangeError(`Looks are whole numbers that ascend; got ${looks.join(', ')}.`);
  });
  if (looks.at(-1) !== samples)
    throw new RangeError(`The last look is at all ${samples} samples, not at ${looks.at(-1)}.`);

  const bounds: Look[] = [];
  let spent = 0;
  follow({ looks, hits, rate }, (staying, look) => {
    const budget = error * (look / samples) ** 0.25;
    let giveUpAt = -1;
    let mass = 0;
    // After the last look there is nothing to save.
    if (look < samples)
      while (giveUpAt + 1 < hits && spent + mass + staying[giveUpAt + 1]! <= budget)
        mass += staying[++giveUpAt]!;
    if (giveUpAt < least) {
      bounds.push({ samples: look, giveUpAt: undefined });
      return;
    }
    spent += mass;
    staying.fill(0, 0, giveUpAt + 1);
    bounds.push({ samples: look, giveUpAt });
  });
  return { samples, hits, rate, error, least, looks: bounds, spent };
}

/**
 * Goes through the looks with the chances staying[h] that h < hits hits have come and nobody has decided; `atLook` takes
 * out those who leave. Whoever has come to all hits at this look, with the chance `reached`, has left.
 */
function follow(
  { looks, hits, rate }: { readonly looks: readonly number[]; readonly hits: number; readonly rate: number },
  atLook: (staying: Float64Array, look: number, reached: number) => void,
): void {
  let staying = new Float64Array(hits);
  staying[0] = 1;
  let before = 0;
  for (const look of looks) {
    const step = binomial(look - before, rate);
    const next = new Float64Array(hits);
    let reached = 0;
    for (let from = 0; from < hits; from++) {
      if (staying[from] === 0) continue;
      for (let more = 0; more < step.length; more++) {
        const chance = staying[from]! * step[more]!;
        if (from + more < hits) next[from + more]! += chance;
        else reached += chance;
      }
    }
    staying = next;
    atLook(staying, look, reached);
    before = look;
  }
}

/** The chances of 0 … trials hits at a rate, by adding one trial after another: sums of what is not negative. */
function binomial(trials: number, rate: number): Float64Array {
  const chances = new Float64Array(trials + 1);
  chances[0] = 1;
  for (let trial = 1; trial <= trials; trial++)
    for (let hits = trial; hits >= 0; hits--)
      chances[hits] = chances[hits]! * (1 - rate) + (hits > 0 ? chances[hits - 1]! * rate : 0);
  return chances;
}

/** What is known at a look. */
export interface Known {
  /** Samples that there are. */
  readonly samples: number;
  /** Bounds of the statistic: hits, or a number that is never smaller. */
  readonly least: number;
  readonly most: number;
  /** Samples that may still come. */
  readonly left: number;
}

/** 'futile': given up with the stated error; 'exhausted': the samples that are left, if any, cannot bring the hits that are missing. */
export type Decision = 'yes' | 'futile' | 'exhausted' | undefined;

/**
 * What is decided; undefined to go on.
 *
 * The statistic S must never be smaller than the number of hits H, and grow by 1 at most with each sample. Then giving up
 * where S is at most a bound happens only where H is too, and the stated error holds. It also holds at samples between
 * two looks, judged by the bound of the look before: H was no larger there. So a sample that failed may just be missing.
 */
export function decideLook(test: SequentialTest, known: Known): Decision {
  if (known.least >= test.hits) return 'yes';
  if (known.most + known.left < test.hits) return 'exhausted';
  const look = test.looks.findLast(({ samples }) => samples <= known.samples);
  if (look?.giveUpAt !== undefined && known.most <= look.giveUpAt) return 'futile';
  return undefined;
}

export interface Characteristics {
  /** Chances of the answers; they sum to 1. */
  readonly yes: number;
  readonly futile: number;
  readonly exhausted: number;
  /** Samples that are drawn on average. */
  readonly expectedSamples: number;
}

/** What comes of the test where hits come at `rate`, from 0 to 1, and the statistic is their number, or `least`: exactly. */
export function characteristicsAt(test: SequentialTest, rate: number): Characteristics {
  if (!(rate >= 0 && rate <= 1)) throw new RangeError(`A rate lies in [0, 1]; got ${rate}.`);
  const sums = { yes: 0, futile: 0, exhausted: 0, expectedSamples: 0 };
  let at = 0;
  follow(
    { looks: test.looks.map(({ samples }) => samples), hits: test.hits, rate },
    (staying, look, reached) => {
      const { giveUpAt = -1 } = test.looks[at++]!;
      let leaving = reached;
      sums.yes += reached;
      for (let hits = 0; hits < test.hits; hits++) {
        const seen = Math.max(test.least, hits);
        const exhausted = seen + test.samples - look < test.hits;
        if (!exhausted && seen > giveUpAt) continue;
        sums[exhausted ? 'exhausted' : 'futile'] += staying[hits]!;
        leaving += staying[hits]!;
        staying[hits] = 0;
      }
      sums.expectedSamples += look * leaving;
    },
  );
  return sums;
}
