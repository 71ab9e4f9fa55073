// `flicker trace`: the options, and what becomes of the events.

import { closeSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { packageRoot } from "../host/package-root.js";
import { TraceSession, findTraceLauncher } from "../host/trace/session.js";
import { RESULT_COLUMN, type TimeFormat } from "../trace/lines.js";
import { TraceOutput } from "../trace/output.js";
import { Sink, endAs, openOutput, waitFor, listenTo } from "./event-output.js";
import { EXIT_STATUS_HELP } from "./exit-status.js";
import { warn } from "./message.js";

const EXAMPLES = `
Examples:
  flicker trace ls                              every system call of ls
  flicker trace -e openat,%network -f -- make   some calls, of children too
  flicker trace -c -- find /usr                 a table of what was called
  flicker trace -f -tt -T -o log -- ./server    times, into a file
  flicker trace --json -o log.json -- ls        one object a line
`;

interface Options {
  readonly e: readonly string[];
  readonly followForks?: true;
  readonly summaryOnly?: true;
  readonly syscallTimes?: true;
  readonly absoluteTimestamps: number;
  readonly relativeTimestamps?: true;
  readonly decodeFds?: true;
  readonly stringLimit: number;
  readonly columns: number;
  readonly verbose?: true;
  readonly output?: string;
  readonly json?: true;
  readonly lossy?: true;
}

const MEGABYTE = 1 << 20;

function parseNumber(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > MEGABYTE)
    throw new InvalidArgumentError("It must be a number up to 1048576.");
  return Number(text);
}

const TIMES: readonly TimeFormat[] = ["none", "seconds", "microseconds", "epoch"];

function timeFormatOf({ absoluteTimestamps, relativeTimestamps }: Options): TimeFormat {
  if (relativeTimestamps) return "relative";
  return TIMES[Math.min(absoluteTimestamps, TIMES.length - 1)]!;
}

async function trace(command: readonly string[], options: Options): Promise<void> {
  const timeFormat = timeFormatOf(options);
  const isFollowing = options.followForks ?? false;
  const format = options.json ? "json" : options.summaryOnly ? "summary" : "lines";
  const output = new TraceOutput({
    expressions: options.e,
    format,
    textLimit: options.stringLimit,
    isVerbose: options.verbose ?? false,
    withPaths: options.decodeFds ?? false,
    pidStyle: !isFollowing ? "none" : options.output === undefined ? "terminal" : "file",
    timeFormat,
    withDuration: options.syscallTimes ?? false,
    resultColumn: options.columns,
  });
  const launcher = await findTraceLauncher(packageRoot, warn);
  const descriptor = options.output === undefined ? process.stderr.fd : openOutput(options.output);
  const sink = new Sink(descriptor, format === "json" ? "utf8" : "latin1", "trace");
  const session = new TraceSession(
    launcher,
    command,
    {
      calls: output.callNumbers,
      withMemory: format !== "summary",
      textLimit: options.stringLimit,
      withPaths: options.decodeFds ?? false,
      isFollowing,
      isLossless: !options.lossy,
      hasTimes: format !== "lines" || timeFormat !== "none" || (options.syscallTimes ?? false),
    },
    listenTo(output, sink, () => session.stop()),
  );
  const outcome = await waitFor(session, options.output !== undefined);
  sink.add(output.finish());
  sink.flush();
  if (options.output !== undefined) closeSync(descriptor);
  endAs(outcome);
}

export function addTrace(program: Command): void {
  program
    .command("trace")
    .usage("[OPTIONS] -- PROG [ARGS...]")
    .description("show the system calls of a program, as strace does")
    .option(
      "-e <EXPRESSION>",
      "only some calls (trace=NAME,%CLASS,/REGEX or without trace=), signals (signal=) or results (status=); ! turns a list " +
        "round; may be given again",
      (value: string, before: readonly string[]) => [...before, value],
      [],
    )
    .option("-f, --follow-forks", "threads and children too")
    .option("-c, --summary-only", "a table of calls, times and errors in place of lines")
    .option("-T, --syscall-times", "the time in each call")
    .addOption(
      new Option("-t, --absolute-timestamps", "the time of day in front; -tt: with microseconds; -ttt: since 1970")
        .argParser((_, before: number) => before + 1)
        .default(0),
    )
    .option("-r, --relative-timestamps", "the time since the call before in front")
    .option("-y, --decode-fds", "descriptors with their paths")
    .option("-s, --string-limit <SIZE>", "so many bytes of a string", parseNumber, 32)
    .option("-a, --columns <COLUMN>", "the column of results", parseNumber, RESULT_COLUMN)
    .option("-v, --verbose", "structs, environments and arrays in full")
    .option("-o, --output <FILE>", "write to FILE, not to standard error")
    .option("--json", "one JSON object a line")
    .option("--lossy", "let the program go on when its calls cannot be shown fast enough, and say how many were lost")
    .helpOption("-h, --help", "print this help")
    .argument("<PROG>", "a path, or a name that is looked up in PATH")
    .argument("[ARGS...]", "given to the program as they are")
    .passThroughOptions()
    .addHelpText("after", EXAMPLES + EXIT_STATUS_HELP)
    .action((prog: string, args: readonly string[], options: Options) => trace([prog, ...args], options));
}
