/** The script of the threads in which a dataset's pictures are described. */
import { serveTasks } from '../../runtime/index.ts';
import { factsOfEncoded } from './facts.ts';

serveTasks(factsOfEncoded, (reply) =>
  'picture' in reply && reply.picture ? [reply.picture.data.buffer as ArrayBuffer] : [],
);
