import { z } from 'zod';
import type { SamplerName } from '../diffusion/index.ts';
import { base64Of, fieldsOf, listOf } from './remote/answer.ts';
import { serviceOptions, sizeOptions, urlOption } from './remote/options.ts';
import { serviceGenerator } from './remote/service.ts';
import type { GeneratorSource } from './source.ts';

const schema = z.strictObject({
  kind: z.literal('automatic1111'),
  url: urlOption,
  ...sizeOptions,
  checkpoint: z
    .string()
    .min(1)
    .optional()
    .describe('The checkpoint to load, as the web interface names it. Default: the one that is loaded.'),
  noise: z
    .enum(['CPU', 'GPU', 'NV'])
    .default('CPU')
    .describe('Its random number generator (randn_source). CPU gives the noise of torch on a CPU.'),
  scheduler: z
    .string()
    .min(1)
    .optional()
    .describe('The noise schedule, as the web interface names it, e.g. Uniform. Default: the sampler’s own.'),
  guidance: z
    .number()
    .min(0)
    .max(100)
    .default(7.5)
    .describe('cfg_scale where synthesis.guidance is not set.'),
  batch: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('Pictures per request. Above 1 a picture may depend on its neighbours in the last digits.'),
  ...serviceOptions,
});

/** What a sampler is called there. */
const samplers: Readonly<Record<SamplerName, string>> = {
  heun: 'Heun',
  euler: 'Euler',
  'euler-ancestral': 'Euler a',
  'dpmpp-2m': 'DPM++ 2M',
  ddim: 'DDIM',
};

const noises = { CPU: 'torch-cpu', GPU: 'torch-cuda', NV: 'philox' } as const;

/**
 * The web interface of AUTOMATIC1111 and its fork Forge, started with --api: `POST /sdapi/v1/txt2img`, whose answer holds
 * `images` in base64. One step of its Euler sampler leads from the largest noise to the clean estimate (k-diffusion's
 * `get_sigmas(1)`), so attacks on one-step pictures work through it.
 */
export const automatic1111: GeneratorSource<typeof schema> = {
  kind: 'automatic1111',
  schema,
  open: async ({ kind, ...spec }, context) => {
    const name = `${kind} at ${new URL(spec.url).host}`;
    const overrides = {
      randn_source: spec.noise,
      ...(spec.checkpoint !== undefined && { sd_model_checkpoint: spec.checkpoint }),
    };
    return serviceGenerator(
      {
        kind,
        name,
        capabilities: {
          seeds: true,
          steps: true,
          guidance: true,
          sampler: true,
          oneStep: true,
          batch: spec.batch,
        },
        guidance: spec.guidance,
        pictureSize: [spec.height, spec.width],
        noise: noises[spec.noise],
        identity: [overrides, spec.scheduler ?? null],
        async ask({ caption, seed, count, settings, pays }, { client }, signal) {
          const body = {
            prompt: plainPrompt(caption),
            negative_prompt: '',
            seed,
            subseed: -1,
            subseed_strength: 0,
            steps: settings.steps,
            cfg_scale: settings.guidance,
            sampler_name: samplers[settings.steps === 1 ? 'euler' : settings.sampler],
            ...(spec.scheduler !== undefined && { scheduler: spec.scheduler }),
            width: spec.width,
            height: spec.height,
            batch_size: count,
            n_iter: 1,
            override_settings: overrides,
            override_settings_restore_afterwards: false,
            send_images: true,
            save_images: false,
          };
          const answer = fieldsOf(await client.json({ path: 'sdapi/v1/txt2img', body, pays }, signal), name);
          const images = listOf(answer['images'], 'images', name);
          // With several pictures a grid may come first; the pictures are then the last ones.
          const own = images.length > count ? images.slice(-count) : images;
          return own.map((image) => base64Of(image, name));
        },
      },
      spec,
      context,
    );
  },
};

/**
 * A caption as that prompt which means it word for word. Brackets weigh words there, and a backslash takes one as it stands;
 * AND and BREAK join prompts, `<lora:…>` and its like load other weights. Those have no escape, but CLIP, which lowers and
 * cuts at signs, reads `and` and `< lora:…>` as the same tokens.
 */
export function plainPrompt(caption: string): string {
  return caption
    .replace(/[()[\]\\]/g, '\\$&')
    .replace(/\b(?:AND|BREAK)\b/g, (word) => word.toLowerCase())
    .replace(/<(?=[\p{L}\p{N}_]+:)/gu, '< ');
}
