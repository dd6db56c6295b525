import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a service is asked for, in whichever protocol. */
export interface Asked {
  readonly prompt: string;
  /** Undefined where the protocol has none. */
  readonly seed: number | undefined;
  readonly steps: number;
  readonly cfg: number;
  readonly sampler: string;
  readonly width: number;
  readonly height: number;
}

/** What is done to a request instead of answering it; undefined to answer. */
export type Fault = (
  request: { readonly number: number; readonly paid: boolean; readonly path: string },
  response: ServerResponse,
) => boolean | undefined;

export interface ServiceOptions {
  /** The file of a picture. What it throws is a refusal, 400. */
  readonly draw: (asked: Asked) => Promise<Uint8Array>;
  /** Told of every request, counted from 1; returns true when it has dealt with it. */
  readonly fault?: Fault;
  /** Called when a paid request has been answered; `count` of them so far. */
  readonly onAnswered?: (count: number) => void;
  /** Where the pictures are that OpenAI's API gives by address: this server where it is not said. */
  readonly filesAt?: string;
  /** Pictures that are left out of each answer. */
  readonly fewer?: number;
}

/** A local server that speaks the protocols of AUTOMATIC1111, ComfyUI and OpenAI's images API. */
export interface LocalService {
  readonly url: string;
  readonly host: string;
  /** Requests of any kind. */
  readonly requests: number;
  /** Each picture that was asked for, and how often it was answered: by prompt, seed and settings. */
  readonly asked: ReadonlyMap<string, { asked: number; answered: number }>;
  /** The headers of the last request. */
  readonly headers: Readonly<IncomingMessage['headers']>;
  close(): Promise<void>;
}

const samplers: Readonly<Record<string, string>> = {
  Heun: 'heun',
  Euler: 'euler',
  'Euler a': 'euler-ancestral',
  'DPM++ 2M': 'dpmpp-2m',
  DDIM: 'ddim',
  euler_ancestral: 'euler-ancestral',
  dpmpp_2m: 'dpmpp-2m',
};

/** Starts the server on a free port of this machine. */
export async function startService(options: ServiceOptions): Promise<LocalService> {
  const asked = new Map<string, { asked: number; answered: number }>();
  const orders = new Map<string, Uint8Array>();
  const files: Uint8Array[] = [];
  let requests = 0;
  let answers = 0;
  let headers: IncomingMessage['headers'] = {};

  const draw = async (one: Asked): Promise<Uint8Array> => {
    const key = JSON.stringify(one);
    const entry = asked.get(key) ?? { asked: 0, answered: 0 };
    asked.set(key, { ...entry, asked: entry.asked + 1 });
    return options.draw(one);
  };
  const answered = (all: readonly Asked[]) => {
    for (const one of all) {
      const key = JSON.stringify(one);
      const entry = asked.get(key)!;
      asked.set(key, { ...entry, answered: entry.answered + 1 });
    }
    answers += 1;
    options.onAnswered?.(answers);
  };

  const automatic1111 = async (body: Body): Promise<Reply> => {
    const pictures = Array.from(
      { length: Number(body['batch_size']) },
      (_, i): Asked => ({
        prompt: String(body['prompt']).replace(/\\([()[\]\\])/g, '$1'),
        seed: Number(body['seed']) + i,
        steps: Number(body['steps']),
        cfg: Number(body['cfg_scale']),
        sampler: samplers[String(body['sampler_name'])]!,
        width: Number(body['width']),
        height: Number(body['height']),
      }),
    );
    const images: string[] = [];
    for (const one of pictures) images.push(Buffer.from(await draw(one)).toString('base64'));
    const info = JSON.stringify({ all_seeds: pictures.map(({ seed }) => seed) });
    return { json: { images: shortened(images), parameters: body, info }, pictures };
  };

  const openai = async (body: Body): Promise<Reply> => {
    const [width, height] = String(body['size']).split('x').map(Number);
    const one: Asked = {
      prompt: String(body['prompt']),
      seed: undefined,
      steps: 0,
      cfg: 1,
      sampler: '',
      width: width!,
      height: height!,
    };
    const data: ({ b64_json: string } | { url: string })[] = [];
    for (let i = 0; i < Number(body['n']); i++) {
      const file = await draw(one);
      if (body['response_format'] !== 'url') data.push({ b64_json: Buffer.from(file).toString('base64') });
      else
        data.push({
          url: `${options.filesAt ?? `http://${host}`}/files/${files.push(file) - 1}.png?sig=a%2Fb`,
        });
    }
    return { json: { created: 0, data: shortened(data) }, pictures: data.map(() => one) };
  };

  /** The nodes of the test's workflow: what they are wired to does not matter here. */
  const comfyui = async (body: Body): Promise<Reply> => {
    const nodes = Object.values(body['prompt'] as Record<string, { class_type: string; inputs: Body }>);
    const of = (type: string) => nodes.find(({ class_type }) => class_type === type)!.inputs;
    const sampler = of('KSampler');
    const one: Asked = {
      prompt: String(of('CLIPTextEncode')['text']).replace(/\\([()])/g, '$1'),
      seed: Number(sampler['seed']),
      steps: Number(sampler['steps']),
      cfg: Number(sampler['cfg']),
      sampler: samplers[String(sampler['sampler_name'])] ?? String(sampler['sampler_name']),
      width: Number(of('EmptyLatentImage')['width']),
      height: Number(of('EmptyLatentImage')['height']),
    };
    const id = `order-${orders.size + 1}`;
    orders.set(id, await draw(one));
    return { json: { prompt_id: id, number: orders.size, node_errors: {} }, pictures: [one] };
  };

  const shortened = <T>(list: readonly T[]): readonly T[] =>
    list.slice(0, list.length - (options.fewer ?? 0));

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests += 1;
    headers = request.headers;
    const url = new URL(request.url!, 'http://localhost');
    const protocol = {
      '/sdapi/v1/txt2img': automatic1111,
      '/v1/images/generations': openai,
      '/prompt': comfyui,
    }[url.pathname];
    const parts: Uint8Array[] = [];
    for await (const part of request as AsyncIterable<Uint8Array>) parts.push(part);
    if (options.fault?.({ number: requests, paid: protocol !== undefined, path: url.pathname }, response))
      return;
    const send = async (body: string | Uint8Array, type: string) => {
      response.writeHead(200, { 'content-type': type }).end(body);
      await once(response, 'close');
    };
    if (protocol !== undefined) {
      const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as Body;
      const reply = await protocol(body).catch((error: Error) => error.message);
      if (typeof reply === 'string') {
        response.writeHead(400).end(JSON.stringify({ error: { message: reply } }));
        return;
      }
      const { json, pictures } = reply;
      await send(JSON.stringify(json), 'application/json');
      answered(pictures);
      return;
    }
    const id = url.pathname.split('/')[2] ?? '';
    if (url.pathname.startsWith('/history/')) {
      const images = [{ filename: `${id}.png`, subfolder: '', type: 'output' }];
      const done = {
        [id]: { outputs: { 9: { images } }, status: { status_str: 'success', completed: true } },
      };
      return send(JSON.stringify(orders.has(id) ? done : {}), 'application/json');
    }
    const file = /^\/files\/(\d+)\.png$/.exec(url.pathname);
    if (file !== null) return send(files[Number(file[1])]!, 'image/png');
    if (url.pathname === '/queue')
      return send(JSON.stringify({ queue_running: [], queue_pending: [] }), 'application/json');
    if (url.pathname === '/view')
      return send(orders.get(url.searchParams.get('filename')!.replace('.png', ''))!, 'image/png');
    response.writeHead(404).end('{"detail":"Not Found"}');
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // A client that was killed leaves in the middle.
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}`,
    host,
    get requests() {
      return requests;
    },
    asked,
    get headers() {
      return headers;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

type Body = Readonly<Record<string, unknown>>;

interface Reply {
  readonly json: unknown;
  readonly pictures: readonly Asked[];
}

/** A workflow as ComfyUI exports it, marked for all that can be marked. */
export const markedExample = {
  '3': {
    class_type: 'KSampler',
    inputs: {
      seed: 1,
      steps: 20,
      cfg: 7,
      sampler_name: 'euler',
      scheduler: 'normal',
      denoise: 1,
      model: ['4', 0],
      positive: ['6', 0],
      negative: ['7', 0],
      latent_image: ['5', 0],
    },
    _meta: { title: 'KSampler @seed @steps @cfg @sampler' },
  },
  '5': {
    class_type: 'EmptyLatentImage',
    inputs: { width: 512, height: 512, batch_size: 1 },
    _meta: { title: 'Size @width @height' },
  },
  '6': {
    class_type: 'CLIPTextEncode',
    inputs: { text: 'anything', clip: ['4', 1] },
    _meta: { title: 'Prompt @prompt' },
  },
  '9': {
    class_type: 'SaveImage',
    inputs: { filename_prefix: 'ComfyUI', images: ['8', 0] },
    _meta: { title: 'Save @output' },
  },
};
