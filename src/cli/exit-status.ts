// Exit statuses of Flicker's own: those of `env`, `nohup` and `timeout`. docs/command-line.md has them all in one table.

/** Flicker itself failed. */
export const STATUS_FAILED = 125;

/** For the help of the commands that run programs. */
export const EXIT_STATUS_HELP = `
Exit status: the program's own; a program that a signal ended ends flicker with
the same signal. When the program did not run:
  125  Flicker itself failed (an option, an engine assertion), or --strict
       refused
  126  the program cannot be executed
  127  the program was not found`;
