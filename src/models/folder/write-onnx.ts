import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeModel } from '../../graph/index.ts';
import { textEncoderPlan, unetPlan, vaeDecoderPlan, vaeEncoderPlan } from '../plans.ts';
import { buildNetwork } from '../sessions.ts';
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
  const tokenizer = await loadClipTokenizer(from.tokenizerFolder);
  const networks = [
    ['text_encoder', textEncoderPlan(from, tokenizer.maxLength), textJson(from.textEncoder.config)],
    ['unet', unetPlan(from, tokenizer.maxLength), unetJson(from.unet.config)],
    ['vae_encoder', vaeEncoderPlan(from), vaeJson(from.vae.config)],
    ['vae_decoder', vaeDecoderPlan(from), vaeJson(from.vae.config)],
  ] as const;
  await writeFolder(path, options.replace ?? false, async (folder) => {
    for (const [name, plan, json] of networks) {
      await mkdir(join(folder, name));
      await writeModel(buildNetwork(plan), join(folder, name, 'model.onnx'));
      await writeJson(join(folder, name, 'config.json'), json);
    }
    await writeClipTokenizer(join(folder, 'tokenizer'), tokenizer.files);
    await mkdir(join(folder, 'scheduler'));
    await writeJson(join(folder, 'scheduler', 'scheduler_config.json'), from.scheduler);
    if (Object.keys(from.settings).length > 0) await writeJson(join(folder, 'verbatim.json'), from.settings);
    const onnx = ['diffusers', 'OnnxRuntimeModel'];
    await writeJson(join(folder, 'model_index.json'), {
      _class_name: 'OnnxStableDiffusionPipeline',
      _diffusers_version: diffusersVersion,
      feature_extractor: [null, null],
      requires_safety_checker: false,
      safety_checker: [null, null],
      scheduler: ['diffusers', from.scheduler['_class_name'] ?? 'DDIMScheduler'],
      text_encoder: onnx,
      tokenizer: ['transformers', 'CLIPTokenizer'],
      unet: onnx,
      vae_decoder: onnx,
      vae_encoder: onnx,
    });
  });
}
