import { parse } from 'yaml';
import { type GeneratorConfig, openGenerator } from '../../generators/index.ts';
import { givesOneStepPictures } from '../../stages/index.ts';
import type { Override } from './parse.ts';

/**
 * The cascade of a config with a generator that names none: `ecs` alone where the generator gives one-step pictures by seed,
 * else no step. As an override of what neither the text nor the command line has set.
 *
 * @param generator the config's, with its paths made absolute
 */
export async function defaultCascade(
  generator: GeneratorConfig,
  text: string,
  overrides: readonly Override[],
): Promise<Override[]> {
  const written = parse(text) as { cascade?: unknown; budget?: unknown } | null;
  const isSet = (key: 'cascade' | 'budget') =>
    written?.[key] !== undefined || overrides.some(({ path }) => path[0] === key);
  if (isSet('cascade') || isSet('budget')) return [];
  const opened = await openGenerator(generator);
  const value = givesOneStepPictures(opened) ? [{ attack: 'ecs', keep: 100 }] : [];
  await opened.close();
  return [{ path: ['cascade'], value, origin: 'cascade (default with a generator)' }];
}
