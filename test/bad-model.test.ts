import { mkdir, open, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { editSafetensors, png } from './damage.ts';
import { buildProgram, copyModel, expectOneLine, type Program } from './program.ts';

/** Models and configs that are missing, damaged or of another kind: one line, and no output folder. */

// Every test starts processes, some several; a busy machine takes its time.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

let program: Program;
beforeAll(async () => {
  program = await buildProgram();
  await mkdir(join(program.folder, 'pictures'));
  await writeFile(join(program.folder, 'pictures', 'a red bus.png'), png(64, 64, 90));
  await writeFile(join(program.folder, 'audit.yaml'), auditConfig());
});
afterAll(() => program.remove());

function auditConfig(more = ''): string {
  return `model: model
dataset: { format: image-folder, path: pictures }
cascade: [{ attack: dcs }]
synthesis: { steps: 1, samples: 1 }
labels: { rules: [reference] }
threads: 1
output: runs/none
${more}`;
}

const unet = 'unet/diffusion_pytorch_model.safetensors';

/** What is done to a copy of a good model, and what the one line must say. */
const damages: readonly (readonly [
  string,
  (model: string) => Promise<void>,
  readonly (string | RegExp)[],
])[] = [
  [
    'another folder',
    async (model) => rm(join(model, 'model_index.json')),
    ['model/model_index.json: is missing'],
  ],
  ['no weights', (model) => rm(join(model, unet)), [`model/${unet}: is missing`]],
  ['no tokenizer', (model) => rm(join(model, 'tokenizer/vocab.json')), ['tokenizer/vocab.json: is missing']],
  [
    'another kind of model',
    (model) => writeFile(join(model, 'model_index.json'), '{"_class_name": "FluxPipeline"}'),
    ['model_index.json: the pipeline "FluxPipeline" is not supported'],
  ],
  [
    'a config that is no JSON',
    (model) => writeFile(join(model, 'unet/config.json'), '{"in_channels": 4'),
    ['unet/config.json: not valid JSON'],
  ],
  [
    'weights cut short',
    (model) => truncate(join(model, unet), 900_000),
    [`${unet}: cut short`, 'copy it again'],
  ],
  [
    'weights cut in the header',
    (model) => truncate(join(model, unet), 100),
    [`${unet}: cut short: the header`],
  ],
  ['no bytes of weights', (model) => truncate(join(model, unet), 0), [`${unet}: 0 bytes are too few`]],
  [
    'a header of 8 GiB, in a file as large',
    async (model) => {
      const file = await open(join(model, unet), 'r+');
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(2n ** 33n);
      await file.write(length, 0, 8, 0);
      // Sparse: takes no room on the disk.
      await file.truncate(2 ** 33 + 1000);
      await file.close();
    },
    [`${unet}: a header of 8589934592 bytes`],
  ],
  [
    'offsets that overlap',
    (model) =>
      editSafetensors(join(model, unet), (header) => {
        header['conv_norm_out.bias']!.data_offsets = header['conv_in.bias']!.data_offsets;
        return undefined;
      }),
    [`${unet}: tensor "conv_`, 'overlaps tensor "conv_'],
  ],
  [
    'offsets beyond the end',
    (model) =>
      editSafetensors(join(model, unet), (header) => {
        const entry = header['conv_in.weight']!;
        entry.data_offsets = entry.data_offsets.map((offset) => offset + 2 ** 40) as [number, number];
        return undefined;
      }),
    [`${unet}: cut short: tensor "conv_in.weight" ends at byte 1099`],
  ],
  [
    'offsets below zero',
    (model) =>
      editSafetensors(join(model, unet), (header) => {
        const [begin, end] = header['conv_in.weight']!.data_offsets;
        header['conv_in.weight']!.data_offsets = [begin - 4096, end - 4096];
        return undefined;
      }),
    ['tensor "conv_in.weight" has data_offsets [-'],
  ],
  ...(
    [
      [unet, 'conv_in.weight', '[3, 3, 4, 32]', '[32, 4, 3, 3]'],
      ['text_encoder/model.safetensors', 'embeddings.token_embedding.weight', '[32, 640]', '[640, 32]'],
      // The VAE is needed last; its weights are looked at first.
      ['vae/diffusion_pytorch_model.safetensors', 'decoder.conv_in.weight', '[3, 3, 4, 32]', '[32, 4, 3, 3]'],
    ] as const
  ).map(
    ([file, tensor, found, wanted]) =>
      [
        `a tensor of another shape in ${file}`,
        (model: string) =>
          editSafetensors(join(model, file), (header) => {
            header[tensor]!.shape.reverse();
            return undefined;
          }),
        [file, `tensor "${tensor}" has shape ${found}, but the config needs ${wanted}`],
      ] as const,
  ),
];

it('a model folder that is not there is a wrong path in the config', async () => {
  const says = ['model: there is no such folder', 'model_index.json'];
  // As a process too: the others are about the line alone, and run in this one.
  for (const start of [program.run, program.here])
    expectOneLine(await start(['audit', 'audit.yaml', '-q']), 2, ...says);
  expect(await readdir(program.folder)).not.toContain('runs');
});

describe('a model folder with', () => {
  it.each(damages)('%s is refused by the name of what is wrong', async (_, damage, says) => {
    const model = await copyModel(join(program.folder, 'model'));
    try {
      await damage(model);
      expectOneLine(await program.here(['audit', 'audit.yaml', '-q']), 1, ...says);
      expect(await readdir(program.folder)).not.toContain('runs');
    } finally {
      await rm(model, { recursive: true, force: true });
    }
  });

  it('weights that are not numbers opens no gate: what could not be judged is not clean', async () => {
    const model = await copyModel(join(program.folder, 'model'));
    await editSafetensors(join(model, unet), (_, data) => Buffer.alloc(data.length, 0xff));
    const { code, stderr } = await program.run(['audit', 'audit.yaml', '-q', '--fail-above', '0']);
    expect(stderr).toMatch(/^verbatim: nothing could be judged: scores\/1: [^\n]*not finite\n$/);
    expect(code).toBe(1);
    await rm(model, { recursive: true });
    await rm(join(program.folder, 'runs'), { recursive: true });
  });
});

describe('a config', () => {
  const config = async (text: string | Uint8Array) => {
    await writeFile(join(program.folder, 'bad.yaml'), text);
    return 'bad.yaml';
  };
  const cases: readonly (readonly [string, 'audit' | 'lab', string, readonly (string | RegExp)[]])[] = [
    [
      'an unknown key',
      'audit',
      auditConfig('synthsis: { steps: 5 }'),
      ["bad.yaml:8:1: unknown key 'synthsis'", "did you mean 'synthesis'?"],
    ],
    [
      'an unknown key further in',
      'audit',
      auditConfig('candidates: { limt: 5 }'),
      ["unknown key 'limt' in candidates; did you mean 'limit'?"],
    ],
    [
      'a value of another type',
      'audit',
      auditConfig('seed: many'),
      ['bad.yaml:8:7: seed: expected a number, got "many"'],
    ],
    ['an open bracket', 'audit', auditConfig('candidates: { limit: 5'), [/bad\.yaml:\d+:\d+: bad YAML/]],
    ['bytes that are no text', 'audit', '\0\x01\xff\xfe', ['bad.yaml', /YAML|keys and values/]],
    [
      'an unknown key, for the lab,',
      'lab',
      'planted: { unique: 3 }',
      ["bad.yaml:1:12: unknown key 'unique' in planted; did you mean 'uniques'?"],
    ],
    [
      'a value of another type, for the lab,',
      'lab',
      'training: { steps: plenty }',
      ['training.steps: expected', 'got "plenty"'],
    ],
    [
      'channels that the groups do not divide, for the lab,',
      'lab',
      'vae: { blockOutChannels: [32, 30] }',
      ['bad.yaml:1:31: vae.blockOutChannels.1: expected a multiple of normGroups (16), got 30'],
    ],
    [
      'heads that do not divide the text states, for the lab,',
      'lab',
      'textEncoder: { hiddenSize: 130 }',
      ['bad.yaml:1:28: textEncoder.hiddenSize: expected a multiple of heads (4), got 130'],
    ],
    ['an open bracket, for the lab,', 'lab', 'planted: { uniques: [', [/bad\.yaml:\d+:\d+: bad YAML/]],
  ];
  it.each(cases)('with %s is refused by line and column', async (_, kind, text, says) => {
    const path = await config(text);
    const args = kind === 'lab' ? ['lab', 'train', path, '-q'] : ['audit', path, '-q'];
    expectOneLine(await program.here(args), 2, ...says);
    expect(await readdir(program.folder)).not.toContain('runs');
  });

  it('that is missing, a folder or some huge file is not read', async () => {
    // Sparse: takes no room on the disk.
    await truncate(join(program.folder, await config('')), 5 * 2 ** 30);
    expectOneLine(await program.run(['audit', 'bad.yaml']), 2, 'bad.yaml: 5368709120 bytes are too many');
    expectOneLine(await program.run(['lab', 'train', 'nowhere.yaml']), 2, 'nowhere.yaml: no such lab config');
    expectOneLine(await program.run(['lab', 'train', 'pictures']), 2, 'pictures: no such lab config');
  });
});

describe('wrong usage', () => {
  it.each([
    [['audti'], "unknown command 'audti'", 'Did you mean audit?'],
    [['lab'], 'name a command: train', 'Usage: verbatim lab'],
    [['lab', 'train', 'x.yaml', '--outptu', 'y'], "unknown option '--outptu'", 'Did you mean --output?'],
    [['audit', 'audit.yaml', '--set', 'seed'], '--set seed: expected KEY=VALUE', ''],
    [['score', '--model', 'm', '--caption', 'x', '--attack', '[['], '--attack [[: bad YAML', ''],
  ])('%j says what and how, with exit code 2', async (args, what, how) => {
    const { code, stdout, stderr } = await program.here(args);
    expect(stderr.match(/^verbatim: .*$/gm)).toHaveLength(1);
    expect(stderr).toContain(what);
    expect(stderr).toContain(how);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});
