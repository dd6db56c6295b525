import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeModel } from '../../graph/index.ts';
import { textEncoderPlan, unetPlan, vaeDecoderPlan, vaeEncoderPlan } from '../plans.ts';
import { buildNetwork, type NetworkPlan } from '../sessions.ts';
import { loadClipTokenizer, writeClipTokenizer } from '../tokenizer/index.ts';
import type { ModelFolder } from './open.ts';
import { diffusersVersion, textJson, unetJson, vaeJson, writeFolder, writeJson } from './write.ts';

/**
 * Exports a diffusers folder to ONNX in optimum's layout: `{text_encoder, unet, vae_encoder,
 * vae_decoder}/model.onnx` with weights in `model.onnx_data`, optimum's names of inputs and outputs, a
 * symbolic batch, pictures of the model's own size, and a float32 scalar timestep. The folder appears
 * whole or not at all; `openModelFolder` opens it.
 */
export async function writeOnnxFolder(
  path: string,
  from: ModelFolder,
  options: { replace?: boolean } = {},
): Promise<void> {
  const second = from.textEncoder2;
  const tokenizer = await loadClipTokenizer(from.textEncoder.tokenizerFolder, from.textEncoder.padding);
  const tokenizer2 = second && (await loadClipTokenizer(second.tokenizerFolder, second.padding));
  const networks: (readonly [string, NetworkPlan, Record<string, unknown>])[] = [
    ['text_encoder', textEncoderPlan(from, tokenizer.maxLength), textJson(from.textEncoder.config)],
    ['unet', unetPlan(from, tokenizer.maxLength), unetJson(from.unet.config)],
    ['vae_encoder', vaeEncoderPlan(from), vaeJson(from.vae.config)],
    ['vae_decoder', vaeDecoderPlan(from), vaeJson(from.vae.config)],
  ];
  if (second)
    networks.push([
      'text_encoder_2',
      textEncoderPlan(from, tokenizer.maxLength, 'text_encoder_2'),
      { ...textJson(second.config), architectures: ['CLIPTextModelWithProjection'] },
    ]);
  await writeFolder(path, options.replace ?? false, async (folder) => {
    for (const [name, plan, json] of networks) {
      await mkdir(join(folder, name));
      await writeModel(buildNetwork(plan), join(folder, name, 'model.onnx'));
      await writeJson(join(folder, name, 'config.json'), json);
    }
    await writeClipTokenizer(join(folder, 'tokenizer'), tokenizer.files);
    if (tokenizer2) await writeClipTokenizer(join(folder, 'tokenizer_2'), tokenizer2.files);
    await mkdir(join(folder, 'scheduler'));
    await writeJson(join(folder, 'scheduler', 'scheduler_config.json'), from.scheduler);
    if (Object.keys(from.settings).length > 0) await writeJson(join(folder, 'verbatim.json'), from.settings);
    const onnx = ['diffusers', 'OnnxRuntimeModel'];
    await writeJson(join(folder, 'model_index.json'), {
      _class_name: second ? 'ORTStableDiffusionXLPipeline' : 'OnnxStableDiffusionPipeline',
      _diffusers_version: diffusersVersion,
      feature_extractor: [null, null],
      ...(second
        ? {
            force_zeros_for_empty_prompt: from.zerosForEmpty ?? true,
            text_encoder_2: onnx,
            tokenizer_2: ['transformers', 'CLIPTokenizer'],
          }
        : { requires_safety_checker: false, safety_checker: [null, null] }),
      scheduler: ['diffusers', from.scheduler['_class_name'] ?? 'DDIMScheduler'],
      text_encoder: onnx,
      tokenizer: ['transformers', 'CLIPTokenizer'],
      unet: onnx,
      vae_decoder: onnx,
      vae_encoder: onnx,
    });
  });
}
