import { VerbatimError } from '../errors.ts';
import { input, type Value } from '../graph/index.ts';
import { clipText, clipTextEmbeds, clipTextNames } from './clip-text.ts';
import { type ClipTextConfig, sidesOf, textStatesWidth } from './config.ts';
import type { ModelFolder } from './folder/open.ts';
import { entering, leaving } from './layers.ts';
import type { NetworkPlan } from './sessions.ts';
import { additionInputs, unet2DCondition } from './unet.ts';
import { oldAttentionName, vaeDecode, vaeEncode, vaeFactor } from './vae.ts';

/**
 * The networks of a model folder with optimum's names of inputs and outputs and a symbolic batch: for
 * running as well as for export. (Measured on the CPU, a symbolic batch costs nothing against a known one.)
 */
const batch = 'batch_size';

/** Latent [height, width] that the model was trained on. */
export function latentSize(folder: ModelFolder): readonly [number, number] {
  const size = folder.unet.config.sample_size;
  if (size === null)
    throw new VerbatimError(
      `${folder.path}/unet/config.json: sample_size is missing; the side of the latents must be known.`,
    );
  return sidesOf(size);
}

/** [height, width] in pixels of the pictures that belong to those latents. */
export function pictureSize(folder: ModelFolder): readonly [number, number] {
  const [height, width] = latentSize(folder);
  const factor = vaeFactor(folder.vae.config);
  return [height * factor, width * factor];
}

/** optimum's name of hidden_states[-2]: it counts from the embeddings, 0, to what the last layer gives. */
export function penultimateName(config: ClipTextConfig): string {
  return `hidden_states.${config.num_hidden_layers - 1}`;
}

export function textEncoderPlan(
  folder: ModelFolder,
  tokens: number,
  name: 'text_encoder' | 'text_encoder_2' = 'text_encoder',
): NetworkPlan {
  const second = name === 'text_encoder_2';
  const { config, source } = second ? folder.textEncoder2! : folder.textEncoder;
  return {
    source,
    otherName: clipTextNames,
    build: (graph, w): Record<string, Value> => {
      const out = clipText(w, config, input(graph, 'input_ids', 'int64', [batch, tokens]));
      if (folder.textEncoder2 === undefined)
        return { last_hidden_state: out.lastHiddenState, pooler_output: out.poolerOutput };
      const penultimate = { [penultimateName(config)]: out.penultimate };
      return second
        ? { text_embeds: clipTextEmbeds(w, config, out.poolerOutput), ...penultimate }
        : { last_hidden_state: out.lastHiddenState, ...penultimate };
    },
  };
}

export function unetPlan(folder: ModelFolder, tokens: number): NetworkPlan {
  const { config, source } = folder.unet;
  const [height, width] = latentSize(folder);
  const context = textStatesWidth(config);
  return {
    source,
    build: (graph, w) => ({
      out_sample: leaving(
        unet2DCondition(w, config, {
          sample: entering(input(graph, 'sample', 'float32', [batch, config.in_channels, height, width])),
          timestep: input(graph, 'timestep', 'float32', []),
          encoderHiddenStates: entering(
            input(graph, 'encoder_hidden_states', 'float32', [batch, tokens, context]),
          ),
          ...additionInputs(graph, config, batch),
        }),
      ),
    }),
  };
}

export function vaeEncoderPlan(folder: ModelFolder): NetworkPlan {
  const { config, encoder } = folder.vae;
  const [height, width] = pictureSize(folder);
  return {
    source: encoder,
    otherName: oldAttentionName,
    build: (graph, w) => {
      const sample = input(graph, 'sample', 'float32', [batch, config.in_channels, height, width]);
      return { latent_parameters: vaeEncode(w, config, sample) };
    },
  };
}

export function vaeDecoderPlan(folder: ModelFolder): NetworkPlan {
  const { config, decoder } = folder.vae;
  const [height, width] = latentSize(folder);
  return {
    source: decoder,
    otherName: oldAttentionName,
    build: (graph, w) => {
      const latents = input(graph, 'latent_sample', 'float32', [
        batch,
        config.latent_channels,
        height,
        width,
      ]);
      return { sample: vaeDecode(w, config, latents) };
    },
  };
}
