import type { Command } from 'commander';

/** What a command is given besides its arguments. */
export interface CommandContext {
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Sets the exit code of a command that did its work (the gate); what is thrown sets its own. */
  readonly exit: (code: number) => void;
  /** Says what Ctrl-C leaves behind where the same command does not go on from there. */
  readonly startsAnew: (after: string) => void;
}

/** A command's file exports `define`: its arguments, options and help, and what it does. */
export interface CommandModule {
  readonly define: (context: CommandContext) => Command;
}
