import type { z } from 'zod';
import type { Journal } from './remote/journal.ts';
import type { Generator } from './types.ts';

/** What a source is opened with beside its options. */
export interface SourceContext {
  /**
   * Opens what keeps a service's answers; called before the first request and not earlier, when a run folder is locked.
   * Without it they last as long as the process.
   */
  readonly journal?: () => Promise<Journal>;
  /** Tells the user something that is no error: a picture has to be paid for again. */
  readonly note?: (line: string) => void;
}

/**
 * A kind of generator: a name, the options it takes, how to open it. Each source is one file in this folder, stands in the
 * list of sources.ts, and passes conformance.test.ts.
 */
export interface GeneratorSource<Schema extends z.ZodType = z.ZodType> {
  readonly kind: string;
  /** A strict object whose `kind` is the literal name. */
  readonly schema: Schema;
  /** Paths are taken from the working folder. @throws VerbatimError (exit code 2) for what the user can mend */
  readonly open: (spec: z.output<Schema>, context: SourceContext) => Promise<Generator>;
}
