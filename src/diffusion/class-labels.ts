import { closest } from 'fastest-levenshtein';
import { VerbatimError } from '../errors.ts';
import { floatTensor, type Tensor } from '../math/index.ts';

export interface ClassSettings {
  /** What messages call the model. */
  readonly name: string;
  /** Number of classes that the network knows; undefined: any label from 0. */
  readonly count: number | undefined;
  /** Names of the classes, index = label. */
  readonly names: readonly string[];
  /** The label that stands for no class. */
  readonly unconditional: number | undefined;
}

/**
 * Captions of a class-conditional model as its condition, [captions, 1, 1]: a class's name or its number; the
 * empty caption is the label that stands for no class. Throws a VerbatimError (exit code 2) for any other.
 */
export function classLabels(settings: ClassSettings, captions: readonly string[]): Tensor<'float32'> {
  return floatTensor(
    [captions.length, 1, 1],
    Float32Array.from(captions, (text) => label(settings, text)),
  );
}

function label({ name, count, names, unconditional }: ClassSettings, caption: string): number {
  if (caption === '') {
    if (unconditional !== undefined) return unconditional;
    throw new VerbatimError(
      `${name}: has classes and no label for none of them; name a class and use guidance 1 (of an attack: {attack: dcs, options: {guidance: 1}}), or set "unconditionalClass" in its verbatim.json.`,
      { exitCode: 2 },
    );
  }
  const named = names.indexOf(caption);
  if (named >= 0) return named;
  const range = count === undefined ? 'from 0' : `from 0 to ${count - 1}`;
  const number = /^\d{1,7}$/.test(caption) ? Number(caption) : Number.NaN;
  if (number < (count ?? Number.POSITIVE_INFINITY)) return number;
  const known =
    names.length > 0 ? `, or a name from its verbatim.json such as "${closest(caption, names)}"` : '';
  throw new VerbatimError(
    `${name}: takes class labels ${range}${known} as captions, not ${JSON.stringify(caption.slice(0, 60))}.`,
    { exitCode: 2 },
  );
}

/** The one condition of an unconditional model, [captions, 1, 1]; only the empty caption has it. */
export function noCondition(name: string, captions: readonly string[]): Tensor<'float32'> {
  const other = captions.find((caption) => caption !== '');
  if (other !== undefined)
    throw new VerbatimError(
      `${name}: is unconditional and takes no captions, got ${JSON.stringify(other.slice(0, 60))}; leave captions out.`,
      { exitCode: 2 },
    );
  return floatTensor([captions.length, 1, 1]);
}
