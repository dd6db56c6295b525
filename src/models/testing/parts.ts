import type { Tensor } from '../../math/index.ts';
import { clipTextNames, clipTextParameters } from '../clip-text.ts';
import { openModelFolder, type PartSource } from '../folder/open.ts';
import type { ModelParts } from '../folder/write.ts';
import { openTensorStore } from '../store.ts';
import { loadClipTokenizer } from '../tokenizer/index.ts';
import { unetParameters } from '../unet.ts';
import { oldAttentionName, vaeParameters } from '../vae.ts';

/** A folder's parts in memory under the current names: what a trainer would hand to `writeModelFolder`. */
export async function partsOf(path: string): Promise<ModelParts<Tensor>> {
  const folder = await openModelFolder(path);
  const read = (
    source: PartSource,
    names: readonly string[],
    otherName: (name: string) => string | undefined,
  ) => {
    if (source.kind !== 'safetensors') throw new Error('safetensors expected');
    const store = openTensorStore(source.files);
    const tensors: Record<string, Tensor> = {};
    for (const name of names) {
      const { file, entry } = (store.find(name) ?? store.find(otherName(name) ?? ''))!;
      tensors[name] = file.read(entry.name);
    }
    store.close();
    return tensors;
  };
  const names = (parameters: readonly { name: string }[]) => parameters.map((parameter) => parameter.name);
  const { unet, vae, textEncoder } = folder;
  return {
    unet: {
      config: unet.config,
      tensors: read(unet.source, names(unetParameters(unet.config)), () => undefined),
    },
    vae: {
      config: vae.config,
      tensors: read(vae.encoder, names(vaeParameters(vae.config)), oldAttentionName),
    },
    textEncoder: {
      config: textEncoder.config,
      tensors: read(textEncoder.source, names(clipTextParameters(textEncoder.config)), clipTextNames),
    },
    tokenizer: (await loadClipTokenizer(folder.textEncoder.tokenizerFolder)).files,
    scheduler: folder.scheduler,
    settings: { guidance_scale: 3 },
  };
}
