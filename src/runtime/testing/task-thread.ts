/** The script of threads that are tested: a task for each thing that can come of one. */
import { setTimeout } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { VerbatimError } from '../../errors.ts';
import { serveTasks } from '../serve.ts';

export type TestTask =
  | { readonly kind: 'twice'; readonly value: number; readonly ms?: number }
  | { readonly kind: 'refuse' | 'fail' | 'end' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export interface TestReply {
  readonly value?: number;
  readonly thread?: number;
  readonly bytes?: Uint8Array;
}

serveTasks(
  async (task: TestTask): Promise<TestReply> => {
    switch (task.kind) {
      case 'twice':
        if (task.ms !== undefined) await setTimeout(task.ms);
        return { value: 2 * task.value, thread: threadId };
      case 'bytes':
        return { bytes: task.bytes.map((byte) => 255 - byte) };
      case 'refuse':
        throw new VerbatimError('a.csv row 3: is no number; correct it', { exitCode: 2 });
      case 'fail':
        throw new TypeError('a defect');
      case 'end':
        process.exit(5);
    }
  },
  ({ bytes }) => (bytes ? [bytes.buffer as ArrayBuffer] : []),
);
