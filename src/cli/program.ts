// Flicker's commands that need Node, and the help of all of them. bin/flicker starts programs without coming here.
//
// A command is one file that adds itself to the program. bin/flicker holds the list of names as well, to tell a command
// from a program; test/cli/command.test.ts compares the two. Shell completion is made from the same table (completion.ts):
// the name of an option's or an argument's value says what it is (FILE, COMMAND...), and `choices` what it can be.

import { Argument, Command, CommanderError } from "commander";
import { CacheError } from "../host/cache.js";
import { HookError } from "../host/hook/error.js";
import { RuleError } from "../host/fault/rule.js";
import { LauncherError } from "../host/launcher.js";
import { packageVersion } from "../host/package-root.js";
import { RingError } from "../host/ring/ring.js";
import { MatchError } from "../match/compile.js";
import { FilterError } from "../trace/filter.js";
import { messageColours, outputColours } from "./colour.js";
import { addCompletion } from "./completion.js";
import { addCount } from "./count.js";
import { addCover } from "./cover.js";
import { addDoctor } from "./doctor.js";
import { OutputError } from "./event-output.js";
import { EXIT_STATUS_HELP, STATUS_FAILED } from "./exit-status.js";
import { UsageError, addFault } from "./fault.js";
import { addInspect } from "./inspect.js";
import { formatMessage, warn } from "./message.js";
import { addPath } from "./path.js";
import { addRun } from "./run.js";
import { addTrace } from "./trace.js";

const EXAMPLES = `
Examples:
  flicker ls -la                    run ls with its system calls patched
  flicker run --stats -- make       also say what was patched in each process
  flicker inspect libc.so.6         show its system calls and how each is patched
  flicker doctor                    check whether programs can run here
  flicker help run                  the options of run, and more examples
`;

/** Commander's message, which may have a suggestion on a second line, as one line that says where to read on. */
function errorLine(text: string, command: string): string {
  const line = text
    .trim()
    .replace(/^error: /, "")
    .replace(/^command-argument value ('.*') is invalid for argument ('.*')\. Allowed/, "$1 is no $2: allowed")
    .replace(/\s*\(Did you mean /, " (did you mean ");
  return `${line.replace(/\.$/, "")}; see ${command} --help`;
}

/** The last command, so that it knows the others. Commander's own prints all of the help for a name that is no command. */
function addHelp(program: Command): void {
  const names = program.commands.map((command) => command.name());
  program
    .command("help")
    .usage("[COMMAND]")
    .description("print the help of a command")
    .addArgument(new Argument("[COMMAND]", "a command; without one, the help of flicker itself").choices(names))
    .helpOption("-h, --help", "print this help")
    .action((name: string | undefined) => {
      (program.commands.find((command) => command.name() === name) ?? program).help();
    });
}

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
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({
      getOutHasColors: () => outputColours.isColorSupported,
      getErrHasColors: () => messageColours.isColorSupported,
    })
    .configureHelp({
      styleTitle: (title) => outputColours.bold(title),
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`.trimEnd(),
      // A value that may be left out must be joined to its option.
      optionTerm: ({ flags }) => flags.replace(/ \[(\w+)\]$/, "[=$1]"),
    })
    .addHelpText("after", EXAMPLES + EXIT_STATUS_HELP)
    // Copied to each command that is added after it.
    .exitOverride();
  for (const add of [
    addRun,
    addTrace,
    addCount,
    addCover,
    addFault,
    addInspect,
    addDoctor,
    addCompletion,
    addPath,
    addHelp,
  ])
    add(program);
  for (const command of [program, ...program.commands]) {
    const name = command === program ? "flicker" : `flicker ${command.name()}`;
    command.configureOutput({ outputError: (text, write) => write(formatMessage(errorLine(text, name))) });
  }
  return program.action(() => program.help({ error: true }));
}

/** Runs one command and gives the exit status. */
export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
    // A command that did its work may have a status of its own (doctor).
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : STATUS_FAILED;
    const expected = [
      LauncherError,
      CacheError,
      HookError,
      MatchError,
      RingError,
      FilterError,
      RuleError,
      OutputError,
      UsageError,
    ];
    if (!(error instanceof Error && expected.some((kind) => error instanceof kind))) throw error;
    warn(error.message);
    return STATUS_FAILED;
  }
}
