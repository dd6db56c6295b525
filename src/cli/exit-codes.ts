/** What the process tells its caller; docs/cli.md lists them for users. */
export const exitCodes = {
  fine: 0,
  /** Something failed: one line on stderr says what. */
  failed: 1,
  /** Wrong usage or configuration. */
  usage: 2,
  /** `--fail-above N`: more than N images were found. */
  gate: 100,
  /** Ctrl-C or SIGTERM; the run folder is whole, and where there is one the same command goes on. */
  interrupted: 130,
} as const;
