import type { SamplerName } from '../diffusion/index.ts';
import { VerbatimError } from '../errors.ts';

/** A workflow in ComfyUI's API format: node id → class, inputs, and the title that the editor shows. */
interface Node {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly _meta?: { readonly title?: unknown };
}

type Workflow = Readonly<Record<string, Node>>;

/** Marks in a node's title, and the inputs that each may fill: the first that the node has. */
const marks = {
  prompt: ['text', 'prompt', 'clip_l', 'value', 'string'],
  seed: ['seed', 'noise_seed', 'value'],
  steps: ['steps', 'value'],
  cfg: ['cfg', 'guidance', 'value'],
  sampler: ['sampler_name'],
  width: ['width', 'value'],
  height: ['height', 'value'],
} as const;
export type Mark = keyof typeof marks;

/** What a sampler is called in ComfyUI. */
const samplers: Readonly<Record<SamplerName, string>> = {
  heun: 'heun',
  euler: 'euler',
  'euler-ancestral': 'euler_ancestral',
  'dpmpp-2m': 'dpmpp_2m',
  ddim: 'ddim',
};

/** What is put into the marked inputs. */
export interface Filling {
  readonly prompt: string;
  readonly seed: number;
  readonly steps: number;
  readonly cfg: number;
  readonly sampler: SamplerName;
  readonly width: number;
  readonly height: number;
}

export interface MarkedWorkflow {
  /** Which marks it has. */
  readonly has: ReadonlySet<Mark>;
  /** The node whose picture is taken: that with @output, else undefined for the only one that saves pictures. */
  readonly output: string | undefined;
  /** The workflow with its marked inputs filled; the others as they stand. */
  filled(filling: Filling): Record<string, unknown>;
}

const mark = /@(\w+)/g;

/**
 * Reads a workflow whose nodes are marked by words in their titles: `@prompt`, `@seed`, `@steps`, `@cfg`, `@sampler`, `@width`,
 * `@height`, `@output`. A node may have several, and several nodes the same one.
 *
 * @param where the file's name, for errors
 * @throws VerbatimError (exit code 2) for another format, an unknown mark, one whose node has no input for it, or when
 *   no prompt is marked
 */
export function markedWorkflow(json: unknown, where: string): MarkedWorkflow {
  const workflow = checked(json, where);
  const slots: { readonly id: string; readonly input: string; readonly what: Mark }[] = [];
  let output: string | undefined;
  for (const [id, node] of Object.entries(workflow)) {
    const title = typeof node._meta?.title === 'string' ? node._meta.title : '';
    for (const [, word] of title.matchAll(mark)) {
      if (word === 'output') output = id;
      else if (word !== undefined && Object.hasOwn(marks, word))
        slots.push({ id, what: word as Mark, input: inputFor(node, id, word as Mark, where) });
      else
        throw refused(
          where,
          `node ${id} is marked @${word}; known marks: ${[...Object.keys(marks), 'output'].map((name) => `@${name}`).join(', ')}`,
        );
    }
  }
  const has = new Set(slots.map(({ what }) => what));
  if (!has.has('prompt'))
    throw refused(where, 'no node is marked @prompt; add it to the title of the node with the text');
  return {
    has,
    output,
    filled(filling) {
      const values = {
        ...filling,
        prompt: plainPrompt(filling.prompt),
        sampler: samplers[filling.steps === 1 ? 'euler' : filling.sampler],
      };
      const copy = structuredClone(workflow) as Record<string, { inputs: Record<string, unknown> }>;
      for (const { id, input, what } of slots) copy[id]!.inputs[input] = values[what];
      return copy;
    },
  };
}

/**
 * Round brackets weigh words there, and `embedding:NAME` loads a file; a caption means them as they stand. CLIP reads the same
 * tokens with a space before the colon.
 */
function plainPrompt(caption: string): string {
  return caption.replace(/[()]/g, '\\$&').replace(/\bembedding(?=:)/gi, '$& ');
}

function inputFor(node: Node, id: string, what: Mark, where: string): string {
  const input = marks[what].find((name) => Object.hasOwn(node.inputs, name));
  if (input === undefined)
    throw refused(where, `node ${id} (${node.class_type}) is marked @${what} and has no input for it`);
  // A link is [node, output].
  if (Array.isArray(node.inputs[input]))
    throw refused(
      where,
      `node ${id} (${node.class_type}) is marked @${what}, but its input "${input}" comes from another node; mark that one`,
    );
  return input;
}

function checked(json: unknown, where: string): Workflow {
  const isNode = (node: unknown) =>
    typeof node === 'object' &&
    node !== null &&
    typeof (node as Node).class_type === 'string' &&
    typeof (node as Node).inputs === 'object' &&
    (node as Node).inputs !== null;
  const nodes = typeof json === 'object' && json !== null && !Array.isArray(json) ? Object.values(json) : [];
  if (nodes.length > 0 && nodes.every(isNode)) return json as Workflow;
  throw refused(where, 'not a workflow in API format; export it from ComfyUI with "Export (API)"');
}

function refused(where: string, what: string): VerbatimError {
  return new VerbatimError(`${where}: ${what}`, { exitCode: 2 });
}
