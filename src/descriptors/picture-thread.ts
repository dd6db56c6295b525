/** The script of the threads of `openPictureThreads`. */
import { serveTasks } from '../runtime/index.ts';
import { doPictureTask, type PictureReply, type PictureTask } from './picture-tasks.ts';

serveTasks(doPictureTask, (reply: PictureReply<PictureTask>) =>
  'data' in reply ? [reply.data.buffer as ArrayBuffer] : [],
);
