import { parse } from 'yaml';
import { type GeneratorConfig, openGenerator } from '../../generators/index.ts';
import { givesOneStepPictures } from '../../stages/index.ts';
import type { Override } from './parse.ts';

/**
 * The attacks of a config with a generator that names none: `ecs` alone where the generator gives one-step pictures by seed,
 * else none. As overrides of what neither the text nor the command line has set.
 *
 * @param generator the config's, with its paths made absolute
 */
export async function defaultAttacks(
  generator: GeneratorConfig,
  text: string,
  overrides: readonly Override[],
): Promise<Override[]> {
  const written = parse(text) as { attacks?: Record<string, unknown> | null } | null;
  const isSet = (key: string) =>
    written?.attacks?.[key] !== undefined ||
    overrides.some(({ path }) => path[0] === 'attacks' && (path.length === 1 || path[1] === key));
  const opened = await openGenerator(generator);
  const first = givesOneStepPictures(opened) ? 'ecs' : null;
  await opened.close();
  const values = { ...(!isSet('first') && { first }), ...(!isSet('second') && { second: null }) };
  return Object.entries(values).map(([key, value]) => ({
    path: ['attacks', key],
    value,
    origin: `attacks.${key} (default with a generator)`,
  }));
}
