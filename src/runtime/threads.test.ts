import { afterEach, describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import { mapConcurrently, openThreads, scriptUrl, type Threads } from './index.ts';
import type { TestReply, TestTask } from './testing/task-thread.ts';

let opened: Threads<TestTask, TestReply> | undefined;

function open(threads = 2): Threads<TestTask, TestReply> {
  opened = openThreads(scriptUrl('testing/task-thread', import.meta.url), { label: 'tasks', threads });
  return opened;
}

afterEach(() => opened?.close());

const twice = (value: number) => ({ kind: 'twice', value }) as const;

describe('openThreads', () => {
  it('answers each request with its own reply, from all threads', async () => {
    const threads = open();
    const values = Array.from({ length: 200 }, (_, i) => i);
    const seen = new Set<number | undefined>();
    const replies: (number | undefined)[] = [];
    for await (const { value, thread } of mapConcurrently(values, 64, (value) => threads.run(twice(value)))) {
      seen.add(thread);
      replies.push(value);
    }
    expect(replies).toEqual(values.map((value) => 2 * value));
    expect(seen.size).toBe(2);
  });

  it('rejects what a task refuses or fails at, and does the others', async () => {
    const threads = open(1);
    const tasks = [twice(1), { kind: 'refuse' }, { kind: 'fail' }, twice(2)] as const;
    const [first, refused, failed, last] = await Promise.allSettled(tasks.map((task) => threads.run(task)));
    expect([first, last]).toMatchObject([{ value: { value: 2 } }, { value: { value: 4 } }]);
    const { reason } = refused as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(VerbatimError);
    expect(reason).toMatchObject({ message: 'a.csv row 3: is no number; correct it', exitCode: 2 });
    const defect = (failed as PromiseRejectedResult).reason as Error;
    expect(defect).not.toBeInstanceOf(VerbatimError);
    expect(defect.message).toBe('a defect');
    expect(defect.stack).toContain('TypeError: a defect');
  });

  it('hands bytes over there and back', async () => {
    const bytes = Uint8Array.from([1, 2, 3]);
    expect(await open().run({ kind: 'bytes', bytes }, [bytes.buffer])).toEqual({
      bytes: Uint8Array.from([254, 253, 252]),
    });
    expect(bytes).toHaveLength(0);
  });

  it('rejects what is under way and all that follows when a thread ends', async () => {
    const threads = open(1);
    const tasks = [{ kind: 'end' }, twice(1), twice(2)] as const;
    for (const outcome of await Promise.allSettled(tasks.map((task) => threads.run(task))))
      expect(outcome).toMatchObject({ reason: expect.any(VerbatimError) });
    await expect(threads.run(twice(3))).rejects.toThrow(/^tasks: its worker thread stopped/);
  });

  it('rejects what is under way, waiting and asked for later when closed', async () => {
    const threads = open(1);
    const tasks = Array.from({ length: 40 }, (_, i) => threads.run({ ...twice(i), ms: 20 }));
    const outcomes = Promise.allSettled(tasks);
    await tasks[0];
    await threads.close();
    expect((await outcomes).at(-1)).toMatchObject({ reason: { message: 'tasks: the threads are closed' } });
    await expect(threads.run(twice(1))).rejects.toThrow('tasks: the threads are closed');
  });

  it('refuses a number of threads that is none', () => {
    for (const threads of [0, 1.5, Number.NaN]) expect(() => open(threads)).toThrow(/whole number/);
  });
});
