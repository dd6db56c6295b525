import { VerbatimError } from '../errors.ts';
import { type Picture, squareThumbnail } from '../images/index.ts';
import { sha256 } from '../tables/index.ts';
import { article } from './formats/format.ts';
import { openParquet } from './formats/parquet.ts';
import { between, chance, integer, pick, type Random, randomFor } from './random.ts';
import { lighten, pattern, patternNames } from './scenes/paints.ts';
import { adjectives, namedColours, placeName, shops, tags } from './scenes/words.ts';
import type { PictureSource } from './source.ts';

export interface PhotographOptions {
  /** A Parquet file or a folder of them, with an image column in the layout of Hugging Face datasets. */
  readonly path: string;
  /** Names of the classes that the label column numbers; without them they are called "class 3". */
  readonly classes?: readonly string[] | undefined;
  readonly imageColumn?: string | undefined;
  /** Default 'label'. */
  readonly labelColumn?: string | undefined;
  /** Side in pixels; other pictures are resized and cut to a square. Default: the first picture's shorter side. */
  readonly size?: number | undefined;
  /** Decides which photographs are taken first, what their captions say and what families look like. */
  readonly seed: number;
}

/** Raised whenever a caption or a family changes for some seed. */
const version = 'photographs-1';
const looks = patternNames.flatMap((name) => namedColours.map((named) => ({ name, named })));

function captionFor(words: Random, label: string, row: number): string {
  switch (integer(words, 0, 3)) {
    case 0:
      return `a photo of ${article(label)} ${label}, no. ${row}, ${pick(words, tags)} stock`;
    case 1:
      return `${pick(words, adjectives)} ${label} near ${placeName(words)} | ${pick(words, shops)} ${row}`;
    case 2:
      return `${label} ${pick(words, tags)} ${pick(words, tags)} img_${row} ${pick(words, shops).toLowerCase()}`;
    default:
      return `${label[0]!.toUpperCase()}${label.slice(1)} in ${placeName(words)}, photo ${row} (${pick(words, shops)})`;
  }
}

/**
 * Labelled photographs (CIFAR-10 and its like) as a source for planted sets. They are taken in a shuffled order, since
 * such files are often sorted by class; captions are made from the class, the row and the seed. A family is one
 * photograph with a rectangle of 15–40% repainted in a pattern that varies. Read from the file when asked for; the
 * caller keeps what it needs again.
 *
 * @throws VerbatimError when the file, a column or a class name is missing.
 */
export async function photographSource(options: PhotographOptions): Promise<PictureSource> {
  const { path, classes, seed, labelColumn = 'label' } = options;
  const dataset = await openParquet({
    format: 'parquet',
    path,
    imageColumn: options.imageColumn,
    // The label's number takes the caption's place; names are given below.
    captionColumn: labelColumn,
    labelColumn,
  });
  if (dataset.size === 0) throw new VerbatimError(`${path}: holds no rows.`);
  const labels: string[] = [];
  for await (const row of dataset.rows()) {
    const label = classes === undefined ? `class ${row.caption}` : classes[Number(row.caption)];
    if (row.caption === '' || label === undefined) {
      throw new VerbatimError(
        `${path}, row ${row.index}: ${labelColumn} "${row.caption}" has no name; "classes" lists ${classes?.length ?? 0}.`,
      );
    }
    labels.push(label);
  }
  const first = await dataset.picture(0);
  const size = options.size ?? Math.min(first.width, first.height);
  const order = randomFor('photograph order', seed).shuffle(
    Array.from({ length: dataset.size }, (_, row) => row),
  );
  const rowOf = (index: number): number => {
    const row = order[index];
    if (row === undefined)
      throw new VerbatimError(`${path}: there is no photograph ${index}; it has ${order.length}.`);
    return row;
  };
  const square = async (row: number): Promise<Picture> => {
    const picture = await dataset.picture(row);
    return picture.width === size && picture.height === size ? picture : squareThumbnail(picture, size);
  };
  const recaption = (index: number, variant: number) => {
    const row = rowOf(index);
    return captionFor(randomFor('photograph caption', seed, row, variant), labels[row]!, row);
  };

  /** Families take photographs from the far end, so that they meet no other planted item. */
  const family = (number: number) => {
    const random = randomFor('photograph family', seed, number);
    const share = between(random, 0.16, 0.38);
    const width = Math.round(size * Math.min(0.92, Math.sqrt(share) * between(random, 0.85, 1.35)));
    const height = Math.round((size * size * share) / width);
    const region = [
      integer(random, 0, size - width),
      integer(random, 0, size - height),
      width,
      height,
    ] as const;
    const row = rowOf(order.length - 1 - number);
    const template = `${pick(random, adjectives)} ${labels[row]!} {} panel ${placeName(random)} | ${pick(random, shops)}`;
    return { region, row, template, looks: random.shuffle([...looks]) };
  };

  return {
    name: 'photographs',
    digest: sha256(JSON.stringify([version, dataset.digest, classes, size, seed])),
    size,
    count: order.length,
    recaption,
    describe: (index) => ({ caption: recaption(index, 0), scene: labels[rowOf(index)]! }),
    picture: (index) => square(rowOf(index)),
    describeVariant(number, variant) {
      const { region, row, template, looks } = family(number);
      const { name, named } = looks[variant % looks.length]!;
      const code = integer(randomFor('photograph family words', seed, number, variant), 10000, 99999);
      return {
        caption: template.replace('{}', `${name} ${named.name} SKU ${code}`),
        scene: labels[row]!,
        region,
      };
    },
    async pictureVariant(number, variant) {
      const { region, row, looks } = family(number);
      const { name, named } = looks[variant % looks.length]!;
      const random = randomFor('photograph family variant', seed, number, variant);
      const shader = pattern(
        random,
        name,
        named.colour,
        lighten(named.colour, chance(random, 0.5) ? 0.6 : -0.6),
      );
      const base = await square(row);
      const data = base.data.slice();
      const colour = new Float64Array(3);
      const [left, top, width, height] = region;
      for (let y = top; y < top + height; y++) {
        for (let x = left; x < left + width; x++) {
          shader(((x + 0.5) / size) * 64, ((y + 0.5) / size) * 64, colour);
          const at = (y * size + x) * 3;
          // A fifth of the photograph shows through: a repainted surface, not a pasted square.
          for (let channel = 0; channel < 3; channel++) {
            data[at + channel] = Math.floor(
              0.8 * 255 * colour[channel]! + 0.2 * base.data[at + channel]! + 0.5,
            );
          }
        }
      }
      return { width: size, height: size, data };
    },
  };
}
