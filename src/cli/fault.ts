// `flicker fault`: the rules and options, and what is said of the calls that were changed.

import { closeSync } from "node:fs";
import { Command } from "commander";
import { FaultOutput } from "../host/fault/output.js";
import { parseRule } from "../host/fault/rule.js";
import { findFaultLauncher, startFaulty } from "../host/fault/session.js";
import { packageRoot } from "../host/package-root.js";
import { Sink, endAs, openOutput, waitFor, listenTo } from "./event-output.js";
import { EXIT_STATUS_HELP } from "./exit-status.js";
import { warn } from "./message.js";

const RULES = `
A rule is CALLS:KEY=VALUE:KEY=VALUE...; of several, the first that means a call
changes it. CALLS is as behind -e of flicker trace: openat,%network,/^fs.
  error=NAME        the call is not made, and fails: EACCES, 13
  retval=N          the call is not made, and gives N
  short=N           at most N bytes are read or written
  signal=NAME       the thread gets a signal in front of it: USR1, 10
  delay=TIME        the call is late: 10ms, 2s, 500us; 500 is microseconds
  delay_exit=TIME   its return is
  when=N            only the N-th such call of each process; N+: from there on;
                    N+S: every S-th from there; N..M, N..M+S: up to the M-th
  probability=P%    only by chance; seed=N: the same chance as in another run
  path=PATTERN      only on these files: /etc/*
  count=tree        calls of all processes are counted together
`;

const EXAMPLES = `
Examples:
  flicker fault openat:error=EACCES:when=3 -- ls
  flicker fault read,write:short=1 -- cat file          does it loop?
  flicker fault %network:delay=10ms -- curl localhost
  flicker fault 'write:error=ENOSPC:path=/tmp/*' -- make
  flicker fault mmap,brk:error=ENOMEM:probability=1% -- ./server
`;

interface Options {
  readonly decodeFds?: true;
  readonly output?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** The command line makes no sense, as one line for the user. */
export class UsageError extends Error {}

/** What is behind `--` is the program's, options too; in front of it, rules and options may stand in any order. */
class FaultCommand extends Command {
  program: readonly string[] | null = null;

  override parseOptions(args: string[]): ReturnType<Command["parseOptions"]> {
    const at = args.indexOf("--");
    this.program = at < 0 ? null : args.slice(at + 1);
    return super.parseOptions(at < 0 ? args : args.slice(0, at));
  }
}

async function fault(texts: readonly string[], program: readonly string[] | null, options: Options): Promise<void> {
  if (program === null || program.length === 0)
    throw new UsageError("no program: flicker fault RULE... -- PROG ARGS...");
  const rules = texts.map((text) => parseRule(text));
  const decode = { textLimit: 32, isVerbose: false, withPaths: options.decodeFds ?? false };
  const output = new FaultOutput(rules, program, { ...decode, isJson: options.json ?? false });
  const launcher = await findFaultLauncher(packageRoot, warn);
  const descriptor = options.output === undefined ? process.stderr.fd : openOutput(options.output);
  const sink = new Sink(descriptor, options.json ? "utf8" : "latin1", "log");
  sink.add(output.begin());
  sink.flush();
  const session = startFaulty(
    launcher,
    program,
    { ...decode, rules },
    listenTo(output, sink, () => session.stop()),
  );
  const outcome = await waitFor(session, options.output !== undefined);
  sink.add(output.finish());
  if (!options.quiet) sink.add(output.summary(session.sums));
  sink.flush();
  if (options.output !== undefined) closeSync(descriptor);
  endAs(outcome);
}

export function addFault(program: Command): void {
  const command = new FaultCommand("fault").copyInheritedSettings(program);
  command
    .usage("[OPTIONS] RULE... -- PROG [ARGS...]")
    .description("make system calls of a program fail, come short or late")
    .option("-y, --decode-fds", "say descriptors with their paths")
    .option("-q, --quiet", "no summary at the end")
    .option("-o, --output <FILE>", "write to FILE, not to standard error")
    .option("--json", "one JSON object a line")
    .helpOption("-h, --help", "print this help")
    .argument("<RULE...>", "which calls, and what becomes of them")
    .addHelpText("after", RULES + EXAMPLES + EXIT_STATUS_HELP)
    .action((rules: readonly string[], options: Options) => fault(rules, command.program, options));
  program.addCommand(command);
}
