// `flicker run`: its help. The launcher reads the options (src/engine/load/command-line.ts) and runs the program;
// bin/flicker executes it directly and starts Node for `run --help` alone.

import { Command, Option } from "commander";
import { LauncherError } from "../host/launcher.js";
import { EXIT_STATUS_HELP } from "./exit-status.js";

const EXAMPLES = `
Examples:
  flicker run -- ls -la                               or, short: flicker ls -la
  flicker run --stats -- make -j4                     a line for each process
  flicker run --stats-file=stats.json -- ./server     JSON, out of the way
  flicker run --hook my.ts -- ls                      see docs/hooks.md
  flicker run --no-follow-exec -- sh -c 'make test'   sh alone
`;

const STATISTICS = `
Statistics: a line when a process exits or dies by a fault, and one for each
of the sites that the kernel sees first and of the hottest traps (a few of
each); as JSON also when it starts, forks and executes. A process that a signal
such as SIGKILL ends says nothing more. docs/command-line.md has the members.
`;

export function addRun(program: Command): void {
  program
    .command("run")
    .usage("[OPTIONS] -- PROG [ARGS...]")
    .description("run a program with its system calls patched")
    .addOption(
      new Option(
        "--stats [FORMAT]",
        "at the end of each process, say on standard error what was patched, as text or JSON",
      ).choices(["text", "json"]),
    )
    .option("--stats-file <FILE>", "append statistics to FILE, as JSON unless --stats asks for text")
    .option("--hook <FILE>", "compile a hook and call it at system calls or instructions; may be given again")
    .option("--no-follow-exec", "run programs that the program executes natively, not under Flicker")
    .option("--count-calls", "send every system call through the engine, and count them in the statistics")
    .option("--count-sites", "say in the statistics how often each instruction of --match ran (flicker count)")
    .option("--match <EXPR>", "also patch these instructions: jump, 'call and size == 5'; see docs/matching.md")
    .option("--ring <PROCESS:DESCRIPTOR>", "where records of hooks go: a ring that a process has made (flicker trace)")
    .option("--perf-map", "write names of trampolines to /tmp/perf-PID.map, where perf report finds them")
    .option("--gdb-jit", "tell gdb names and frames of trampolines; see docs/debugging.md for its script")
    .option("--only-traps", "give every site a trap instead of a jump, to test traps and see what they cost")
    .option(
      "--strict",
      "end with status 125, before a file's code can run, when one of its system calls cannot be patched or its code " +
        "not be told from data",
    )
    .option(
      "--exhaustive",
      "also catch calls of sites that look like data and of code made at run time, by Syscall User Dispatch; every call " +
        "costs more",
    )
    .option("--no-fsgsbase", "set gs base by system calls, as without FSGSBASE, to test that")
    .option("--yield-gs", "leave gs base to the program from the start, to test what a program that sets it gets")
    .helpOption("-h, --help", "print this help; must stand right behind `run`")
    .argument("<PROG>", "a path, or a name that is looked up in PATH")
    .argument("[ARGS...]", "given to the program as they are")
    .addHelpText("after", EXAMPLES + STATISTICS + EXIT_STATUS_HELP)
    .action(() => {
      throw new LauncherError("`run` is started by bin/flicker, not through Node");
    });
}
