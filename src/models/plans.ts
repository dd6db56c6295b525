import { VerbatimError } from '../errors.ts';
import { input } from '../graph/index.ts';
import { clipText, clipTextNames } from './clip-text.ts';
import type { ModelFolder } from './folder/open.ts';
import type { NetworkPlan } from './sessions.ts';
import { unet2DCondition } from './unet.ts';
import { oldVaeName, vaeDecode, vaeEncode, vaeFactor } from './vae.ts';

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
  return typeof size === 'number' ? [size, size] : size;
}

export function textEncoderPlan({ textEncoder }: ModelFolder, tokens: number): NetworkPlan {
  return {
    source: textEncoder.source,
    otherName: clipTextNames,
    build: (graph, w) => {
      const out = clipText(w, textEncoder.config, input(graph, 'input_ids', 'int64', [batch, tokens]));
      return { last_hidden_state: out.lastHiddenState, pooler_output: out.poolerOutput };
    },
  };
}

export function unetPlan(folder: ModelFolder, tokens: number): NetworkPlan {
  const { config, source } = folder.unet;
  const [height, width] = latentSize(folder);
  const context =
    typeof config.cross_attention_dim === 'number'
      ? config.cross_attention_dim
      : config.cross_attention_dim[0]!;
  return {
    source,
    build: (graph, w) => ({
      out_sample: unet2DCondition(w, config, {
        sample: input(graph, 'sample', 'float32', [batch, config.in_channels, height, width]),
        timestep: input(graph, 'timestep', 'float32', []),
        encoderHiddenStates: input(graph, 'encoder_hidden_states', 'float32', [batch, tokens, context]),
      }),
    }),
  };
}

export function vaeEncoderPlan(folder: ModelFolder): NetworkPlan {
  const { config, encoder } = folder.vae;
  const [height, width] = latentSize(folder).map((side) => side * vaeFactor(config)) as [number, number];
  return {
    source: encoder,
    otherName: oldVaeName,
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
    otherName: oldVaeName,
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
