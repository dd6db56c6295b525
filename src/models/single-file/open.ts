import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { isFile, readJsonObject } from '../../tables/index.ts';
import { parseClipTextConfig, parseUnetConfig, parseVaeConfig } from '../config.ts';
import { checkParts, type ModelFolder, type PartSource, type TextPart } from '../folder/open.ts';
import { openSafetensors, type SafetensorsFile } from '../safetensors.ts';
import type { TensorPlaces } from '../store.ts';
import { vaeFactor } from '../vae.ts';
import {
  type CheckpointKind,
  deriveClip,
  deriveOpenClip,
  deriveUnet,
  deriveVae,
  textPrefixes,
} from './derive.ts';
import { clipPlaces, openClipPlaces, unetPlaces, vaePlaces } from './names.ts';
import { derivePrediction, deriveSampleSize, deriveScheduler } from './scheduler.ts';
import { describeKeys, type Shapes, shapesOf } from './shapes.ts';
import { findTokenizer } from './tokenizer.ts';

const fields = z.record(z.string(), z.unknown()).default({});
/** `STEM.verbatim.json` beside the file: what it cannot say itself. Fields replace those that were derived. */
const settingsSchema = z.strictObject({
  guidance: z.unknown().optional(),
  tokenizer: z.string().min(1).optional(),
  unet: fields,
  vae: fields,
  text_encoder: fields,
  text_encoder_2: fields,
  scheduler: fields,
});

/**
 * Opens a `.safetensors` checkpoint with the original names of Stability's and CompVis' code, as fine-tunes of Stable
 * Diffusion 1, 2 and XL are shared. Reads the header only. Configs are derived from the shapes of the tensors;
 * `STEM.verbatim.json` beside the file may replace any field. `tokenizer` names a folder with CLIP's vocabulary.
 * Throws a VerbatimError when the file is cut short, of another kind (with what its names look like), or without a
 * tokenizer.
 */
export async function openSingleFile(path: string, tokenizer?: string): Promise<ModelFolder> {
  const file = openSafetensors(path);
  file.close();
  const shapes = shapesOf(path, file.entries);
  const kind = kindOf(file, shapes);
  const settingsPath = path.replace(/\.safetensors$/i, '.verbatim.json');
  const settings = await readSettings(settingsPath);
  const tokenizerFolder = await findTokenizer(
    path,
    tokenizer ?? (settings.tokenizer && resolve(dirname(path), settings.tokenizer)),
  );

  /** A part's config; an error says where its fields are set, which no file of that name shows. */
  const parsed = <C>(part: string, parse: (where: string) => C): C => {
    try {
      return parse(`${path} (${part})`);
    } catch (error) {
      if (!(error instanceof VerbatimError) || !error.message.endsWith('.')) throw error;
      const place = `set it in ${basename(settingsPath)}, under "${part}"`;
      throw new VerbatimError(`${error.message.slice(0, -1)}; ${place}.`, { cause: error });
    }
  };
  const source = (places: TensorPlaces): PartSource => ({ kind: 'safetensors', files: [path], places });
  const text = (prefix: string, name: 'text_encoder' | 'text_encoder_2'): TextPart => {
    const open = !prefix.endsWith('.transformer.');
    const derived = open ? deriveOpenClip(shapes, prefix, kind) : deriveClip(shapes, prefix);
    return {
      config: parsed(name, (where) => parseClipTextConfig({ ...derived, ...settings[name] }, where)),
      source: source(open ? openClipPlaces(prefix) : clipPlaces(prefix)),
      tokenizerFolder,
      padding: open ? 'zero' : 'end',
    };
  };
  const [first, second] = textPrefixes[kind];
  const textEncoder = text(first, 'text_encoder');
  const textEncoder2 = second === undefined ? undefined : text(second, 'text_encoder_2');

  const vaeConfig = parsed('vae', (where) =>
    parseVaeConfig({ ...deriveVae(shapes, kind), ...settings.vae }, where),
  );
  const has = (name: string) => file.entries.has(name);
  const prediction = derivePrediction(kind, file.metadata, has);
  const scheduler: Record<string, unknown> = {
    ...deriveScheduler(prediction, has),
    ...settings.scheduler,
  };
  const final = scheduler['prediction_type'] === 'v_prediction' ? 'v_prediction' : 'epsilon';
  const derivedUnet = {
    sample_size: deriveSampleSize(kind, final, file.metadata, vaeFactor(vaeConfig)),
    ...deriveUnet(shapes, kind, textEncoder2?.config.projection_dim ?? 0),
    ...settings.unet,
  };
  const unetConfig = parsed('unet', (where) => parseUnetConfig(derivedUnet, where));
  const levels = unetConfig.block_out_channels.length;
  const { layers_per_block: layers } = unetConfig;
  const unetNames = unetPlaces(
    typeof layers === 'number' ? new Array<number>(levels).fill(layers) : layers,
    unetConfig.up_block_types.map((type) => type === 'CrossAttnUpBlock2D'),
  );
  const vae = source(vaePlaces(vaeConfig.block_out_channels.length));
  return checkParts(
    {
      path,
      format: 'single-file',
      unet: { config: unetConfig, source: source(unetNames) },
      vae: { config: vaeConfig, encoder: vae, decoder: vae },
      textEncoder,
      ...(textEncoder2 && { textEncoder2, zerosForEmpty: true }),
      scheduler,
      schedulerPath: `${path} (scheduler)`,
      settings: settings.guidance === undefined ? {} : { guidance: settings.guidance },
      settingsPath,
    },
    `${path} (unet)`,
  );
}

async function readSettings(path: string): Promise<z.infer<typeof settingsSchema>> {
  const parsed = settingsSchema.safeParse((await isFile(path)) ? await readJsonObject(path) : {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new VerbatimError(
    `${path}: ${issue.path.join('.') || 'the file'}: ${issue.message}; known are ${Object.keys(settingsSchema.shape).join(', ')}.`,
  );
}

/** By the names of the text encoders. Throws a VerbatimError that shows the names of any other file. */
function kindOf(file: SafetensorsFile, shapes: Shapes): CheckpointKind {
  const names = [...file.entries.keys()];
  const fail = (reason: string) =>
    new VerbatimError(`${file.path}: ${reason}; its tensors are ${describeKeys(names) || 'none'}.`);
  if (names.some((name) => /^lora_|\.lora_|lora_(up|down)\./.test(name)))
    throw fail('a LoRA, not a whole model: merge it into its checkpoint first');
  if (!shapes.hasPrefix('model.diffusion_model.input_blocks.')) {
    if (shapes.hasPrefix('down_blocks.') || shapes.hasPrefix('encoder.') || shapes.hasPrefix('text_model.'))
      throw fail('one network alone; name the model folder that it belongs to');
    throw fail(
      'not a checkpoint of Stable Diffusion 1, 2 or XL in original names (model.diffusion_model.input_blocks.…)',
    );
  }
  const kinds: readonly CheckpointKind[] = ['sdxl', 'sd2', 'sd1'];
  const kind = kinds.find((one) => textPrefixes[one].every((prefix) => shapes.hasPrefix(prefix)));
  if (kind === undefined)
    throw fail(
      shapes.hasPrefix('conditioner.')
        ? 'a refiner or another part of Stable Diffusion XL without its two text encoders'
        : `no text encoder in this file (${Object.values(textPrefixes).flat().join('…, ')}…)`,
    );
  return kind;
}
