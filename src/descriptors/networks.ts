import { type NetworkDescription, networkDescriptionSchema } from './network.ts';

/** Mean and deviation of ImageNet's channels, which most networks were trained with. */
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

const known = {
  // Pizzi et al. 2022, facebookresearch/sscd-copy-detection: the shorter side 288; trunk, GeM, linear layer and
  // normalisation are part of the exported network, whose output is [n, 512].
  sscd: { ...imageNet, size: 288, filter: 'bilinear', pooling: 'none' },
  // Radford et al. 2021: image_embeds of CLIPVisionModelWithProjection, [n, 512].
  'clip-vit-b-32': {
    size: 224,
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
    pooling: 'none',
  },
  // Caron et al. 2021: last_hidden_state, [n, 197, 768]; its patch tokens are Somepalli's split-product.
  'dino-vit-b-16': { ...imageNet, resize: 256, size: 224, pooling: 'patches' },
  // Oquab et al. 2023: last_hidden_state; the class token.
  dinov2: { ...imageNet, resize: 256, size: 224, pooling: 'first' },
  // Liu et al. 2021: last_hidden_state, [n, 49, 768], no class token; its mean is what the classifier sees.
  swin: { ...imageNet, resize: 256, size: 224, pooling: 'mean', prefixTokens: 0 },
} as const;

/** Ready descriptions by name, for whoever has the exported file. */
export const networkDescriptions: Readonly<Record<string, NetworkDescription>> = Object.fromEntries(
  Object.entries(known).map(([name, rest]) => [name, networkDescriptionSchema.parse({ name, ...rest })]),
);
