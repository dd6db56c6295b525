import { parse } from 'yaml';
import { z } from 'zod';

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
}

/** Every key of a config that holds a value, with dots: 'planted.uniques'. */
function leaves(schema: JsonSchema, prefix = ''): string[] {
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives) return [...new Set(alternatives.flatMap((one) => leaves(one, prefix)))];
  if (!schema.properties) return [prefix];
  return Object.entries(schema.properties).flatMap(([key, inner]) =>
    leaves(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

/** Cells of the tables of a text, one list per row, header and ruler left out. */
export function tableRows(text: string): string[][] {
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  return rows
    .filter((_, i) => !rows[i]!.startsWith('|---') && !rows[i + 1]?.startsWith('|---'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

/** What a cell of the page says a default is: `[1, 2]` as YAML, `1/3` as a fraction, none as undefined. */
export function documented(cell: string): unknown {
  const code = cell.match(/^`(.*)`$/)?.[1];
  if (code === undefined) return cell === 'none' ? undefined : cell;
  const fraction = code.match(/^(\d+)\/(\d+)$/);
  return fraction ? Number(fraction[1]) / Number(fraction[2]) : parse(code);
}

/** A cell without its quotes. */
export const unquoted = (cell: string) => cell.replaceAll('`', '');

/** Every key of a config with its default, by its name with dots; undefined where it has none. */
export function defaultsOf(schema: z.ZodType, least: object): Record<string, unknown> {
  const defaults: unknown = schema.parse(least);
  const valueAt = (key: string) =>
    key
      .split('.')
      .reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], defaults);
  const keys = leaves(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema);
  return Object.fromEntries(keys.map((key) => [key, valueAt(key)]));
}
