import { readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isStop } from '../errors.ts';
import { encodePng, isPicture } from '../images/index.ts';
import { temporaryFolder } from '../testing/folder.ts';
import { generatorSchema, type Journal, openGenerator, openJournal } from './index.ts';
import { drawing, drawingService, markedExample, side } from './testing/drawing.ts';
import type { Fault, LocalService, ServiceOptions } from './testing/server.ts';

/** Services that misbehave: each ends in a clear row error or a clear stop, and no answer is paid for twice. */

const folder = temporaryFolder('faults');
const settings = { steps: 2, sampler: 'heun', guidance: 3, firstSeed: 0 } as const;
const key = 'sk-secret-0123456789';
let service: LocalService;
afterEach(async () => {
  delete process.env['FAULTS_KEY'];
  await service.close();
});

async function start(
  options: Partial<ServiceOptions>,
  spec: Record<string, unknown> = {},
  journal?: Journal,
) {
  service = await drawingService(options);
  return connect(spec, journal);
}

const noted: string[] = [];

function connect(spec: Record<string, unknown> = {}, journal?: Journal) {
  noted.length = 0;
  const common = { kind: 'automatic1111', url: service.url, width: side, height: side, retries: 0 };
  return openGenerator(generatorSchema.parse({ ...common, ...spec }), {
    ...(journal && { journal: async () => journal }),
    note: (line) => noted.push(line),
  });
}

const openai = () => ({ kind: 'openai', url: `${service.url}/v1`, model: 'm' });

async function outcomes(
  generator: Awaited<ReturnType<typeof openGenerator>>,
  tasks = [{ caption: 'a', seed: 0 }],
) {
  const made = await generator.pictures(tasks, settings);
  return made.map(({ picture }) => (isPicture(picture) ? 'picture' : picture.message));
}

async function stopOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => expect.fail('it did not stop'),
    (reason: unknown) => reason,
  );
  expect(isStop(error)).toBe(true);
  return (error as Error).message;
}

/** Answers each paid request with this. */
const answers =
  (status: number, body: string | Uint8Array, headers: Record<string, string> = {}): Fault =>
  ({ paid }, response) =>
    paid && Boolean(response.writeHead(status, headers).end(body));

const withImage = (bytes: Uint8Array) => JSON.stringify({ images: [Buffer.from(bytes).toString('base64')] });

describe('an error of its row is', () => {
  it.each<[string, Fault, RegExp]>([
    [
      'a web page',
      answers(200, '<html><h1>Please log in</h1></html>', { 'content-type': 'text/html' }),
      /answers with a web page instead of JSON \(Please log in\); is generator\.url the address of its API\?/,
    ],
    [
      'an error inside of 200',
      answers(200, '{"error": {"message": "out of memory"}}'),
      /reports an error \(out of memory\)/,
    ],
    [
      'a refused prompt',
      answers(400, '{"error": {"message": "not allowed by our policy"}}'),
      /answers 400 \(not allowed by our policy\)/,
    ],
    ['a picture that is no base64', answers(200, '{"images": ["<svg/>"]}'), /is not base64/],
    [
      'JSON of another service',
      answers(200, '{"data": []}'),
      /has no list "images"; is generator\.kind right\?/,
    ],
    ['a failure of the service', answers(500, ''), /answers 500$/],
  ])('%s', async (_, fault, says) => {
    const generator = await start({ fault });
    expect(await outcomes(generator)).toEqual([expect.stringMatching(says)]);
  });

  it('a picture that is cut short, or of another size', async () => {
    const whole = await encodePng(drawing('x', 64, 64));
    const cut = whole.subarray(0, whole.length - 20);
    const generator = await start({
      fault: ({ number }, response) => Boolean(response.end(withImage(number === 1 ? cut : whole))),
    });
    expect(
      await outcomes(
        generator,
        [0, 1].map((seed) => ({ caption: 'a', seed })),
      ),
    ).toEqual([
      expect.stringMatching(/: the service's answer was no whole picture \([^;]*\); look at the service$/),
      expect.stringContaining('brought 64×64 pixels instead of 8×8'),
    ]);
  });

  it('what an answer has too few of; the others are kept', async () => {
    const generator = await start({ fewer: 1 }, { batch: 3 });
    expect(
      await outcomes(
        generator,
        [0, 1, 2].map((seed) => ({ caption: 'a', seed })),
      ),
    ).toEqual(['picture', 'picture', expect.stringMatching(/brought 2 of 3 pictures; look at the service/)]);
  });

  it('a service that hangs, and a stop when it goes on hanging', async () => {
    const generator = await start({ fault: () => true }, { timeoutSeconds: 0.05, retries: 1 });
    const tasks = [0, 1, 2, 3].map((seed) => ({ caption: 'a', seed }));
    expect(await outcomes(generator, tasks)).toEqual(
      tasks.map(() => expect.stringMatching(/no whole answer within 0\.05 s, 2 times over/)),
    );
    const fifth = generator.pictures([{ caption: 'b', seed: 0 }], settings);
    expect(await stopOf(fifth)).toMatch(/run the same command again when the service is there/);
  });
});

describe('the run stops for', () => {
  it.each<[string, Fault, RegExp]>([
    [
      '429 for an hour',
      answers(429, '{"detail": "slow down"}', { 'retry-after': '3600' }),
      /answers 429 \(slow down\) and asks to wait 3600 s, more than generator\.maxWaitSeconds 120; run the same command again later/,
    ],
    [
      'a wrong address',
      answers(404, '{"detail": "Not Found"}'),
      /answers 404 \(Not Found\); is generator\.url/,
    ],
    ['a key that is needed', answers(401, '{}'), /answers 401 \(\{\}\); name the environment variable/],
  ])('%s', async (_, fault, says) => {
    const generator = await start({ fault });
    expect(await stopOf(outcomes(generator))).toMatch(says);
    expect(service.requests).toBe(1);
  });

  it('a service that is not there', async () => {
    const generator = await start({});
    await service.close();
    expect(await stopOf(outcomes(generator))).toMatch(/the connection failed \(ECONNREFUSED\); run the same/);
    service = await drawingService();
  });

  it('a redirect elsewhere, which is not followed', async () => {
    let visits = 0;
    const other = createServer((_, response) => {
      visits += 1;
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const generator = await start({ fault: answers(307, '', { location: `${elsewhere}/sdapi/v1/txt2img` }) });
    expect(await stopOf(outcomes(generator))).toMatch(/leads to 127\.0\.0\.1:\d+, which is not contacted/);
    // The same for a picture that is given by its address, unless its host is named.
    const file = Buffer.from(await encodePng(drawing('y')));
    other.removeAllListeners('request').on('request', (request, response) => {
      visits += 1;
      expect(request.headers.authorization).toBeUndefined();
      response.end(file);
    });
    await service.close();
    process.env['FAULTS_KEY'] = key;
    await start({ fault: answers(200, JSON.stringify({ data: [{ url: `${elsewhere}/1.png` }] })) });
    const named = { ...openai(), keyVariable: 'FAULTS_KEY' };
    expect(await stopOf(outcomes(await connect(named)))).toMatch(/name it in generator\.hosts/);
    expect(visits).toBe(0);
    const hosts = [new URL(elsewhere).host];
    expect(await outcomes(await connect({ ...named, hosts }))).toEqual(['picture']);
    expect(visits).toBe(1);
    other.close();
  });

  it('the money limit, before it is exceeded, counted over several processes', async () => {
    const money = { pricePerPicture: 0.04, moneyLimit: 0.12 };
    const path = join(folder, 'money');
    const tasks = [0, 1, 2, 3].map((seed) => ({ caption: 'a', seed }));
    const generator = await start({}, money, await openJournal(path));
    expect(await outcomes(generator, tasks.slice(0, 2))).toEqual(['picture', 'picture']);
    const next = await connect(money, await openJournal(path));
    expect(await stopOf(outcomes(next, tasks))).toMatch(
      /^the money limit is reached: 3 pictures have been asked for at 0\.04 each, and the next would exceed generator\.moneyLimit 0\.12; raise it/,
    );
    expect(service.requests).toBe(3);
    const raised = await connect({ ...money, moneyLimit: 0.2 }, await openJournal(path));
    expect(await outcomes(raised, tasks)).toEqual(tasks.map(() => 'picture'));
    expect(service.requests).toBe(4);
  });
});

describe('a request is repeated', () => {
  it('when the connection breaks, the answer is cut short, or 429 says when; and never after an answer', async () => {
    const path = join(folder, 'again');
    const faults: Record<number, Fault> = {
      1: (_, response) => Boolean(response.destroy()),
      2: (_, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{"images": [');
        return Boolean(setImmediate(() => response.destroy()));
      },
      3: answers(429, '', { 'retry-after': '0' }),
      4: answers(503, '', { 'retry-after': new Date(0).toUTCString() }),
    };
    const fault: Fault = (request, response) => faults[request.number]?.(request, response);
    const generator = await start({ fault }, { retries: 4 }, await openJournal(path));
    expect(await outcomes(generator)).toEqual(['picture']);
    expect(service.requests).toBe(5);
    const journal = await openJournal(path);
    // Two attempts without an answer may have been paid for; two were refused.
    expect(journal.charged).toBe(3);
    expect(await outcomes(await connect({}, journal))).toEqual(['picture']);
    expect(service.requests).toBe(5);
  });

  it('but an order that was taken is fetched by the process that comes after', async () => {
    const path = join(folder, 'order');
    const workflow = join(folder, 'workflow.json');
    await writeFile(workflow, JSON.stringify(markedExample));
    let gone = true;
    const asComfy = { kind: 'comfyui', workflow };
    const generator = await start(
      { fault: ({ paid }, response) => !paid && gone && Boolean(response.destroy()) },
      asComfy,
      await openJournal(path),
    );
    expect(await stopOf(outcomes(generator))).toMatch(/the connection failed/);
    gone = false;
    expect(await outcomes(await connect(asComfy, await openJournal(path)))).toEqual(['picture']);
    expect([...service.asked.values()]).toEqual([{ asked: 1, answered: 1 }]);
  });

  it('though the last line of the journal is cut short', async () => {
    const path = join(folder, 'torn');
    const generator = await start({}, {}, await openJournal(path));
    await outcomes(generator);
    const file = join(path, 'journal.jsonl');
    const text = await readFile(file, 'utf8');
    await truncate(file, text.length - 20);
    const again = await connect({}, await openJournal(path));
    expect(await outcomes(again)).toEqual(['picture']);
    expect(service.requests).toBe(2);
    expect(await outcomes(await connect({}, await openJournal(path)))).toEqual(['picture']);
    expect(service.requests).toBe(2);
  });
});

describe('a picture that is given by its address', () => {
  const asUrl = (batch = 1) => ({ ...openai(), responseFormat: 'url', batch });
  const two = [0, 1].map((seed) => ({ caption: 'a', seed }));
  const isFile = (path: string) => path.startsWith('/files/');
  const posts = () => [...service.asked.values()].reduce((sum, { answered }) => sum + answered, 0);

  it('is downloaded again, not asked for again, when the download breaks, hangs or is cut short', async () => {
    let downloads = 0;
    const fault: Fault = ({ path }, response) => {
      if (!isFile(path)) return false;
      downloads += 1;
      if (downloads === 1) return Boolean(response.destroy());
      if (downloads === 2) return Boolean(response.writeHead(503).end());
      if (downloads > 3) return false;
      response.writeHead(200, { 'content-length': '1000' }).write('cut');
      return Boolean(setImmediate(() => response.destroy()));
    };
    await start({ fault });
    const journal = await openJournal(join(folder, 'download'));
    expect(await outcomes(await connect({ ...asUrl(2), retries: 4 }, journal), two)).toEqual([
      'picture',
      'picture',
    ]);
    expect({ downloads, posts: posts(), charged: journal.charged }).toEqual({
      downloads: 5,
      posts: 2,
      charged: 2,
    });
  });

  it('that cannot be had is the error of its row, and the other of the same answer is kept', async () => {
    await start({
      fault: ({ path }, response) => path.startsWith('/files/0.') && Boolean(response.writeHead(500).end()),
    });
    const path = join(folder, 'one-of-two');
    expect(await outcomes(await connect(asUrl(2), await openJournal(path)), two)).toEqual([
      expect.stringMatching(/answers 500$/),
      'picture',
    ]);
    // Who tries it again later, in another process, pays nothing.
    expect(await outcomes(await connect(asUrl(2), await openJournal(path)), two)).toEqual([
      expect.stringMatching(/answers 500$/),
      'picture',
    ]);
    expect(posts()).toBe(2);
  });

  it('is fetched by the process that comes after, also when its host was named only then', async () => {
    const files = await drawingService({ fault: (_, response) => Boolean(response.end(file)) });
    const file = Buffer.from(await encodePng(drawing('z')));
    const path = join(folder, 'other-host');
    await start({ filesAt: files.url });
    expect(await stopOf(outcomes(await connect(asUrl(), await openJournal(path))))).toMatch(
      /which is not contacted; where it belongs to the service, name it in generator\.hosts.*what is paid for is fetched/,
    );
    expect(files.requests).toBe(0);
    const named = { ...asUrl(), hosts: [files.host] };
    const journal = await openJournal(path);
    expect(await outcomes(await connect(named, journal))).toEqual(['picture']);
    expect({ posts: posts(), charged: journal.charged, fetched: files.requests }).toEqual({
      posts: 1,
      charged: 1,
      fetched: 1,
    });
    await files.close();
  });

  it.each([403, 404, 410])(
    'is asked for again when its address has expired (%i), which is said',
    async (status) => {
      const path = join(folder, `expired-${status}`);
      let fault: Fault | undefined = ({ path }, response) => isFile(path) && Boolean(response.destroy());
      await start({ fault: (request, response) => fault?.(request, response) });
      expect(await stopOf(outcomes(await connect(asUrl(), await openJournal(path))))).toMatch(
        /connection failed/,
      );
      fault = ({ path }, response) => path === '/files/0.png' && Boolean(response.writeHead(status).end());
      const journal = await openJournal(path);
      expect(await outcomes(await connect(asUrl(), journal))).toEqual(['picture']);
      expect(noted).toEqual([
        expect.stringMatching(
          new RegExp(
            `^a picture that m at 127\\.0\\.0\\.1:\\d+ has made and was paid for is not at its address any more \\(.*answers ${status}\\); it is asked for, and paid, again$`,
          ),
        ),
      ]);
      expect({ posts: posts(), charged: journal.charged }).toEqual({ posts: 2, charged: 2 });
      // An address that brought nothing is not tried a second time.
      const before = service.requests;
      expect(await outcomes(await connect(asUrl(), await openJournal(path)))).toEqual(['picture']);
      expect(service.requests).toBe(before);
    },
  );

  it('stops the run where the address that was just given brings nothing: all others would be paid in vain', async () => {
    await start({ fault: ({ path }, response) => isFile(path) && Boolean(response.writeHead(404).end()) });
    expect(await stopOf(outcomes(await connect({ ...asUrl(), concurrency: 1 }), two))).toMatch(
      /is not at the address that it gave \(.*answers 404\); generator\.responseFormat: b64_json does without/,
    );
    expect(posts()).toBe(1);
  });

  it('is not noted where its address holds the key', async () => {
    process.env['FAULTS_KEY'] = key;
    const path = join(folder, 'key-in-address');
    const data = [{ url: `/files/0.png?key=${key}` }];
    await start({
      fault: ({ paid }, response) =>
        paid ? Boolean(response.end(JSON.stringify({ data }))) : Boolean(response.destroy()),
    });
    const named = { ...openai(), keyVariable: 'FAULTS_KEY' };
    await stopOf(outcomes(await connect(named, await openJournal(path))));
    expect(await readFile(join(path, 'journal.jsonl'), 'utf8')).not.toContain(key);
  });
});

describe('a key', () => {
  it('goes to the service alone: an error that repeats it is shown without it', async () => {
    process.env['FAULTS_KEY'] = key;
    const fault = answers(401, JSON.stringify({ error: { message: `Incorrect key ${key}\u001b[31m` } }));
    const generator = await start({ fault }, { keyVariable: 'FAULTS_KEY' });
    const message = await stopOf(outcomes(generator));
    expect(message).toMatch(/answers 401 \(Incorrect key … ?\[31m\); is the key in FAULTS_KEY right/);
    expect(service.headers.authorization).toBe(`Bearer ${key}`);
  });

  it('with a colon is user and password', async () => {
    process.env['FAULTS_KEY'] = 'user:password';
    await outcomes(await start({}, { keyVariable: 'FAULTS_KEY' }));
    const basic = Buffer.from('user:password').toString('base64');
    expect(service.headers.authorization).toBe(`Basic ${basic}`);
  });

  it('must be in the environment, and not in the address', async () => {
    service = await drawingService();
    await expect(connect({ keyVariable: 'FAULTS_KEY' })).rejects.toThrow(
      'generator.keyVariable: the environment variable FAULTS_KEY is not set',
    );
    for (const url of ['http://user:word@h/', 'http://h/?key=1', 'ftp://h/', 'file:///etc/passwd'])
      expect(generatorSchema.safeParse({ kind: 'automatic1111', url }).success).toBe(false);
  });
});
