import { Command } from 'commander';
import type { SamplerName } from '../../diffusion/index.ts';
import type { Precision } from '../../graph/index.ts';
import type { Provider } from '../../runtime/index.ts';
import {
  integerOption,
  numberOption,
  precisionOption,
  providerOption,
  samplerOption,
  setOption,
} from '../config/flags.ts';
import type { Override } from '../config/parse.ts';
import type { CommandContext } from './command.ts';

export interface ExtractFlags {
  readonly model?: string;
  readonly pictures?: string;
  readonly heldOut?: string;
  readonly output: string;
  readonly format?: string;
  readonly set?: readonly Override[];
  readonly samples?: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly sampler?: SamplerName;
  readonly batch?: number;
  readonly provider?: Provider | 'auto';
  readonly precision?: Precision;
  readonly neighbours: number;
  readonly alpha: number;
  readonly falsePositives?: number;
  readonly threshold: number;
  readonly mirror?: boolean;
  readonly side: number;
  readonly shardSize: number;
  readonly threads?: number;
  readonly failAbove?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const help = `
The dataset is the training set. The model takes no captions: a DDPM, DDIM or LDM folder of diffusers, or a GAN as an
ONNX file; or --pictures names a folder (or any dataset) of pictures that were generated elsewhere.

Each generated picture is compared with every training picture. It is extracted where its distance to the nearest one,
over alpha times the mean distance to its n nearest (Carlini et al. 2023), is within the threshold. With --held-out,
pictures of the same kind that the model never saw, the threshold is where --false-positives unrelated pictures are
expected among all that are generated; without, nobody knows how many are.

Examples:
  verbatim extract train.parquet --model ddpm-cifar10 --samples 65536 --steps 50 --sampler ddim --held-out test.parquet
  verbatim extract train.parquet --model stylegan.onnx --samples 1000000 --held-out test.parquet
  verbatim extract train.parquet --pictures generated/ --held-out test.parquet --fail-above 0

Exit codes: 0 fine, 1 failed, 2 wrong usage, 100 more found than --fail-above, 130 interrupted.
docs/extract.md says what it writes, and what it cannot decide.`;

export function define(context: CommandContext): Command {
  return new Command('extract')
    .description('Finds the training images that a model without captions repeats, by distance alone.')
    .argument('<dataset>', 'the training set: a file or folder; its format is found by looking')
    .option('--model <path>', 'a folder of diffusers without captions, or a generator (.onnx)')
    .option('--pictures <path>', 'pictures that were generated already, instead of a model')
    .option('--held-out <path>', 'pictures of the same kind that the model never saw')
    .option('-o, --output <folder>', 'the run folder', 'runs/extract')
    .option('--format <name>', 'the format of the dataset, where looking does not find it')
    .addOption(setOption('an option of that format; repeatable (docs/datasets.md)'))
    .addOption(integerOption('--samples <n>', 'pictures to make (4096); of --pictures the first n (all)', 1))
    .addOption(integerOption('--seed <n>', 'of the first picture; the next count up (0)', 0))
    .addOption(integerOption('--steps <n>', 'sampling steps of a diffusion model (16)', 1))
    .addOption(samplerOption('of a diffusion model (heun)'))
    .addOption(integerOption('--batch <n>', 'pictures made together (16)', 1))
    .addOption(providerOption('what runs the model (cpu)'))
    .addOption(precisionOption())
    .addOption(
      integerOption('-n, --neighbours <n>', 'training pictures that are the background', 2).default(50),
    )
    .addOption(numberOption('--alpha <factor>', 'of the background').default(0.5))
    .addOption(numberOption('--false-positives <n>', 'with --held-out: how many are allowed (1)'))
    .addOption(
      numberOption('--threshold <distance>', 'the largest normalised distance that counts').default(1),
    )
    .option('--mirror', 'also compare each picture mirrored: for models that were trained with flips')
    .addOption(integerOption('--side <pixels>', 'larger pictures are compared at this side', 1).default(64))
    .addOption(integerOption('--shard-size <n>', 'pictures per shard: what a kill can cost', 1).default(256))
    .addOption(integerOption('--threads <n>', 'default: the number of cores', 1))
    .addOption(integerOption('--fail-above <n>', 'exit code 100 when more than n images are found', 0))
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print summary.json on stdout')
    .addHelpText('after', help)
    .action(async (dataset: string, flags: ExtractFlags) => {
      const { extractCommand } = await import('../extract-run.ts');
      context.exit(await extractCommand(dataset, flags, context.signal));
    });
}
