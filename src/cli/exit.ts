/** What the command tells the shell. */
export const EXIT = {
  /** It has done what it was asked for, or was asked to end. */
  DONE: 0,
  /** It could not. */
  FAILED: 1,
  /** Its arguments are wrong. */
  USAGE: 2,
} as const;
