import { z } from 'zod';
import { automatic1111 } from './automatic1111.ts';
import { comfyui } from './comfyui.ts';
import { folder } from './folder.ts';
import { openai } from './openai.ts';
import { freeServiceKeys } from './remote/options.ts';
import type { SourceContext } from './source.ts';
import type { Generator } from './types.ts';

/** `generator` in a config. A local pipeline is named by `model` there. */
export const generatorSchema = z
  .discriminatedUnion('kind', [automatic1111.schema, comfyui.schema, openai.schema, folder.schema])
  .describe('A service or a folder of pictures instead of `model`: docs/generators.md.');

export type GeneratorConfig = z.output<typeof generatorSchema>;

/** Keys of `generator` that decide no picture, or are named by a digest: a run goes on with others. */
export const freeGeneratorKeys: readonly string[] = [...freeServiceKeys, 'workflow', 'path'];

/** Keys of `generator` whose text is a path. */
export const generatorPathKeys: readonly string[] = ['workflow', 'path'];

/**
 * Opens what a config names. Nothing is asked of a service yet.
 *
 * @throws VerbatimError (exit code 2) for a key that is not in the environment, a workflow that is not marked, …
 */
export async function openGenerator(
  config: GeneratorConfig,
  context: SourceContext = {},
): Promise<Generator> {
  switch (config.kind) {
    case 'automatic1111':
      return automatic1111.open(config, context);
    case 'comfyui':
      return comfyui.open(config, context);
    case 'openai':
      return openai.open(config, context);
    case 'folder':
      return folder.open(config, context);
  }
}
