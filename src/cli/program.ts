// Flicker's commands that need Node, and the help of all of them. bin/flicker starts programs without coming here.
//
// A command is one file that adds itself to the program. bin/flicker holds the list of names as well, to tell a command
// from a program; test/cli/command.test.ts compares the two.

import { Command, CommanderError } from "commander";
import { CacheError } from "../host/cache.js";
import { LauncherError } from "../host/launcher.js";
import { packageVersion } from "../host/package-root.js";
import { formatMessage, warn } from "./message.js";
import { addPath } from "./path.js";
import { addRun } from "./run.js";

/** Exit status of Flicker's own failures, as `env`, `nohup` and `timeout` have it. */
export const STATUS_FAILED = 125;

export function createProgram(): Command {
  const program = new Command("flicker")
    .usage("COMMAND | PROG [ARGS...]")
    .description(
      "Runs a native AMD64 Linux program with its system calls patched in place.\n\n" +
        "flicker PROG ARGS... is short for flicker run -- PROG ARGS... A program that has the name of a command is run " +
        "by its path, or with flicker -- PROG ARGS...",
    )
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [COMMAND]", "print the help of a command")
    .configureOutput({
      outputError: (text, write) => {
        write(formatMessage(text.trimEnd().replace(/^error: /, "")));
      },
    })
    // Copied to each command that is added after it.
    .exitOverride();
  for (const add of [addRun, addPath]) add(program);
  return program.action(() => program.help({ error: true }));
}

/** Runs one command and gives the exit status. */
export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : STATUS_FAILED;
    if (!(error instanceof LauncherError || error instanceof CacheError)) throw error;
    warn(error.message);
    return STATUS_FAILED;
  }
}
