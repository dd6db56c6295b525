import { cp, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { add, input } from '../../graph/index.ts';
import { floatTensor, type Tensor, toFloat32 } from '../../math/index.ts';
import { temporaryFolder } from '../../testing/folder.ts';
import { modelDigest } from '../folder/digest.ts';
import { openModel } from '../open-model.ts';
import { writeSafetensors } from '../safetensors.ts';
import { openTensorStore, storeWeights } from '../store.ts';
import { fixtures, runOnce } from '../testing/goldens.ts';
import { originalTensors, writeCheckpoint } from '../testing/single-file.ts';
import { openTextEncoder } from '../text-encoder.ts';
import { openClipPlaces } from './names.ts';

const root = temporaryFolder('single-file');
const tokenizer = `${fixtures}tokenizer`;
let count = 0;
const place = async () => {
  const folder = join(root, `case-${count++}`);
  await mkdir(folder);
  return join(folder, 'model.safetensors');
};
const one = (name: string): Record<string, Tensor> => ({ [name]: floatTensor([2, 2]) });

describe('a checkpoint that cannot be used', () => {
  it('is refused with what its tensors look like', async () => {
    const path = await place();
    for (const [name, message] of [
      [
        'model.diffusion_model.joint_blocks.0.x',
        /not a checkpoint of Stable Diffusion 1, 2 or XL.*its tensors are model\.diffusion_model\.… \(1\)/,
      ],
      ['double_blocks.0.img_attn.qkv.weight', /its tensors are double_blocks\.0\.… \(1\)/],
      ['lora_unet_down_blocks_0.lora_up.weight', /a LoRA, not a whole model/],
      ['down_blocks.0.resnets.0.conv1.weight', /one network alone; name the model folder/],
      ['model.diffusion_model.input_blocks.0.0.weight', /no text encoder in this file/],
    ] as const) {
      await writeSafetensors(path, one(name));
      await expect(openModel(path, { tokenizer }), name).rejects.toThrow(message);
    }
    await writeSafetensors(path, {
      ...one('model.diffusion_model.input_blocks.0.0.weight'),
      ...one('conditioner.embedders.0.model.ln_final.weight'),
    });
    await expect(openModel(path, { tokenizer })).rejects.toThrow(/a refiner or another part/);
  });

  it.each([
    ['sd1', 'first_stage_model.', /no VAE in this file/],
    [
      'sd1',
      'model.diffusion_model.input_blocks.1.0.in_layers.2.weight',
      /"model\.diffusion_model\.input_blocks\.1\.0\.in_layers\.2\.weight" is missing/,
    ],
    [
      'sd2v',
      'cond_stage_model.model.positional_embedding',
      /"cond_stage_model\.model\.positional_embedding" is missing/,
    ],
  ] as const)('%s without %s names what it lacks', async (variant, prefix, message) => {
    const path = await place();
    await writeCheckpoint(path, variant, {
      change: (tensors) => {
        for (const name of Object.keys(tensors)) if (name.startsWith(prefix)) delete tensors[name];
      },
    });
    await expect(openModel(path, { tokenizer })).rejects.toThrow(message);
  });

  it('is refused when half of it has arrived', async () => {
    const path = await place();
    await writeCheckpoint(path, 'sd2v');
    await truncate(path, 100_000);
    await expect(openModel(path, { tokenizer })).rejects.toThrow(
      /model\.safetensors: cut short.*copy it again/,
    );
  });

  it('is refused unread when it is a pickle, and so is any other file', async () => {
    const path = (await place()).replace('.safetensors', '.ckpt');
    await writeFile(path, 'x');
    await expect(openModel(path)).rejects.toThrow(
      /model\.ckpt: a pickle can run any program.*convert it to \.safetensors/,
    );
    await rename(path, path.replace('.ckpt', '.txt'));
    await expect(openModel(path.replace('.ckpt', '.txt'))).rejects.toThrow(
      /expected a model folder or a \.safetensors/,
    );
  });
});

describe('the tokenizer of a checkpoint', () => {
  it('is looked for beside it, and asked for when there is none', async () => {
    const path = await place();
    await writeCheckpoint(path, 'sd1');
    await expect(openModel(path)).rejects.toThrow(
      /holds no tokenizer; put CLIP's vocab\.json.* or name a folder that has them with --tokenizer/,
    );
    await expect(openModel(path, { tokenizer: root })).rejects.toThrow(/no CLIP tokenizer here/);
    // Any model folder will do.
    expect((await openModel(path, { tokenizer: `${fixtures}sd1` })).textEncoder.tokenizerFolder).toBe(
      join(`${fixtures}sd1`, 'tokenizer'),
    );
    await cp(tokenizer, join(path, '..', 'tokenizer'), { recursive: true });
    const beside = await openModel(path);
    expect(beside.textEncoder.tokenizerFolder).toBe(join(path, '..', 'tokenizer'));
    await cp(tokenizer, path.replace('.safetensors', '.tokenizer'), { recursive: true });
    expect((await openModel(path)).textEncoder.tokenizerFolder).toMatch(/model\.tokenizer$/);
    await expect(openModel(`${fixtures}sd1`, { tokenizer })).rejects.toThrow(/a model folder has its own/);
  });

  it('must have the size of the text encoder’s vocabulary', async () => {
    const path = await place();
    await writeCheckpoint(path, 'sd1');
    const folder = join(root, 'smaller');
    await cp(tokenizer, folder, { recursive: true });
    const file = join(folder, 'vocab.json');
    const vocab = JSON.parse(await readFile(file, 'utf8')) as Record<string, number>;
    await writeFile(file, JSON.stringify({ ...vocab, extra: 640 }));
    await expect(openTextEncoder(await openModel(path, { tokenizer: folder }))).rejects.toThrow(
      /641 tokens, but the text encoder's vocab_size is 640/,
    );
    const last = Object.entries(vocab).find(([, id]) => id === 600)![0];
    const merges = (await readFile(join(folder, 'merges.txt'), 'utf8')).split('\n');
    const { [last]: _, ...fewer } = vocab;
    const kept = merges.filter((line) => !line.split(' ').includes(last) && line.replace(' ', '') !== last);
    await writeFile(join(folder, 'merges.txt'), kept.join('\n'));
    await writeFile(file, JSON.stringify(fewer));
    await expect(openTextEncoder(await openModel(path, { tokenizer: folder }))).rejects.toThrow(
      /639 tokens, but the text encoder of .*model\.safetensors has 640/,
    );
  });

  it('pads as the encoder was trained: with the end of text for CLIP, with id 0 for OpenCLIP', async () => {
    const path = await place();
    await writeCheckpoint(path, 'sdxl');
    const { textEncoder, textEncoder2 } = await openModel(path, { tokenizer });
    expect([textEncoder.padding, textEncoder2!.padding]).toEqual(['end', 'zero']);
  });
});

it('names of CLIP without text_model, as newer transformers write them, are found as well', async () => {
  const [path, bare] = [await place(), await place()];
  await writeCheckpoint(path, 'sd1');
  await writeCheckpoint(bare, 'sd1', {
    change: (tensors) => {
      for (const name of Object.keys(tensors))
        if (name.includes('.text_model.')) {
          tensors[name.replace('.text_model.', '.')] = tensors[name]!;
          delete tensors[name];
        }
    },
  });
  const states: Tensor[] = [];
  for (const at of [path, bare]) {
    const text = await openTextEncoder(await openModel(at, { tokenizer }), { threads: 1 });
    states.push(await text.encode(['a red bus']));
    await text.close();
  }
  expect(states[1]).toEqual(states[0]);
});

describe('settings beside a checkpoint', () => {
  it('override what was derived, and their faults are named', async () => {
    const path = await place();
    const metadata = {
      format: 'pt',
      'modelspec.prediction_type': 'epsilon',
      'modelspec.resolution': '16x16',
    };
    await writeCheckpoint(path, 'sd2v', { metadata });
    expect((await openModel(path, { tokenizer })).scheduler['prediction_type']).toBe('epsilon');
    await writeCheckpoint(path, 'sd2v', {
      metadata,
      settings: { scheduler: { prediction_type: 'v_prediction' }, guidance: 3, tokenizer: '../shared' },
    });
    await cp(tokenizer, join(root, 'shared'), { recursive: true });
    const model = await openModel(path);
    expect(model.scheduler['prediction_type']).toBe('v_prediction');
    expect(model.settings).toEqual({ guidance: 3 });
    expect(model.textEncoder.tokenizerFolder).toBe(join(root, 'shared'));
    await writeCheckpoint(path, 'sd2v', { settings: { tokeniser: 'x' } });
    await expect(openModel(path, { tokenizer })).rejects.toThrow(
      /model\.verbatim\.json: .*tokeniser.*known are guidance, tokenizer/,
    );
    await writeCheckpoint(path, 'sd2v', { settings: { unet: { attention_heads: 2 } } });
    await expect(openModel(path, { tokenizer })).rejects.toThrow(/unknown field "attention_heads"/);
    await rm(path.replace('.safetensors', '.verbatim.json'));
    // 16 channels in groups of 32: the small model needs its settings.
    await expect(openModel(path, { tokenizer })).rejects.toThrow(
      /which norm_num_groups = 32 does not divide; set it in model\.verbatim\.json, under "\w+"\.$/,
    );
  });

  it('are part of the digest, and so are the weights and the tokenizer, but not the file’s name', async () => {
    const path = await place();
    await writeCheckpoint(path, 'sd2v');
    const digest = async (at = path, with_ = tokenizer) =>
      modelDigest(await openModel(at, { tokenizer: with_ }));
    const first = await digest();
    const renamed = path.replace('model.', 'other.');
    await writeCheckpoint(renamed, 'sd2v');
    expect(await digest(renamed)).toBe(first);
    await writeCheckpoint(path, 'sd2v', { settings: { guidance: 2 } });
    const settled = await digest();
    await writeCheckpoint(path, 'sd2v', {
      change: (tensors) => {
        (Object.values(tensors)[0]!.data as Uint16Array)[0]! ^= 1;
      },
    });
    const changed = await digest(path, `${fixtures}sd2v/tokenizer`);
    expect(new Set([first, settled, changed]).size).toBe(3);
  });
});

it('fused and transposed tensors are read in place, from memory as from the file', async () => {
  const path = await place();
  const stored = await originalTensors('sdxl');
  const wide = Object.fromEntries(
    Object.entries(stored).map(([name, { shape, data }]) => [
      name,
      floatTensor(shape, toFloat32(data as Uint16Array)),
    ]),
  );
  await writeSafetensors(path, wide);
  const store = openTensorStore([path], openClipPlaces('conditioner.embedders.1.model.'));
  const fused = wide['conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight']!;
  const size = 24 * 24;
  for (const [part, name] of ['q_proj', 'k_proj', 'v_proj'].entries()) {
    const asked = `text_model.encoder.layers.0.self_attn.${name}.weight`;
    const found = store.find(asked)!;
    expect(found.entry.shape).toEqual([24, 24]);
    const rows = fused.data.subarray(part * size, (part + 1) * size);
    expect(found.file.readEntry(found.entry).data).toEqual(rows);
    // Computed by the runtime, which maps the slice out of the file.
    const { out } = await runOnce(
      (graph) => {
        const weights = storeWeights(graph, store, { residence: 'file' });
        return { out: add(input(graph, 'zero', 'float32', [1]), weights(asked, [24, 24])) };
      },
      { zero: floatTensor([1]) },
    );
    expect(out!.data).toEqual(rows);
  }
  const { out } = await runOnce(
    (graph) => {
      const weights = storeWeights(graph, store, { residence: 'file' });
      return { out: add(input(graph, 'zero', 'float32', [1]), weights('text_projection.weight', [20, 24])) };
    },
    { zero: floatTensor([1]) },
  );
  const projection = wide['conditioner.embedders.1.model.text_projection']!;
  for (let row = 0; row < 20; row++)
    for (let column = 0; column < 24; column++)
      expect(out!.data[row * 24 + column]).toBe(projection.data[column * 20 + row]);
  expect(store.find('text_projection.weight')).toMatchObject({
    transposed: true,
    entry: { shape: [20, 24] },
  });
  store.close();
});
