import { sql } from '../../tables/index.ts';
import { type SaidCaption, sharedWords } from './group-data.ts';
import { captionColumn, keyColumn } from './text.ts';

export interface ShownVariant {
  readonly dataset_index: number;
  readonly key: string;
  readonly caption: string;
  readonly seed: boolean;
}

/** A template-like family as the page shows it. */
export interface ShownFamily {
  readonly family: number;
  readonly rate: number;
  /** Share of the picture that varies. */
  readonly varying: number;
  /** SHA-256 of the mask: white where the variants agree. */
  readonly mask: string;
  /** The seed first. */
  readonly variants: readonly ShownVariant[];
  /** The words that all captions share; null where there is none. */
  readonly template: string | null;
}

const variantsShown = 7;
/** Captions of one family that are read. */
const mostCaptions = 1_000;

type FamilyRow = ShownVariant & Omit<ShownFamily, 'variants' | 'template'>;

/** @param table families.parquet as SQL reads it */
export async function readShownFamilies(table: string, limit: number): Promise<ShownFamily[]> {
  const rows = await sql<FamilyRow>(`
    SELECT family, rate, varying, mask, dataset_index, ${keyColumn}, ${captionColumn}, seed
    FROM ${table} WHERE family < ${limit}
    QUALIFY row_number() OVER (PARTITION BY family ORDER BY seed DESC, dataset_index) <= ${variantsShown}
    ORDER BY family, seed DESC, dataset_index`);
  const families = new Map<number, ShownFamily & { readonly variants: ShownVariant[] }>();
  for (const { family, rate, varying, mask, ...variant } of rows) {
    const known = families.get(family);
    if (known === undefined) {
      const template = rate > mostCaptions ? null : sharedWords(await readCaptions(table, family));
      families.set(family, { family, rate, varying, mask, variants: [variant], template });
    } else known.variants.push(variant);
  }
  return [...families.values()];
}

function readCaptions(table: string, family: number): Promise<SaidCaption[]> {
  return sql(`SELECT ${captionColumn}, count(*) AS count FROM ${table}
    WHERE family = ${family} GROUP BY caption ORDER BY min(dataset_index) LIMIT ${mostCaptions}`);
}
