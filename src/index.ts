// Flicker from Node: `import { run, trace, count, cover, fault } from "flicker"`. The commands stand on the same parts; docs/api.md is for users.

import { spawn } from "node:child_process";
import { type SiteCount, countSites } from "./host/count/session.js";
import { KnownFiles, coveredBlocks, coveredFiles, moduleOf } from "./host/cover/coverage.js";
import { drcovOf } from "./host/cover/drcov.js";
import { expressionOfGlobs } from "./host/cover/glob.js";
import { lcovOf, sourcesOf } from "./host/cover/lcov.js";
import { coverBlocks } from "./host/cover/session.js";
import { type FaultObject, type RuleCount, WholeCalls, countsOf, faultObject } from "./host/fault/output.js";
import { type Rule, RuleError, parseRule } from "./host/fault/rule.js";
import { findFaultLauncher, startFaulty } from "./host/fault/session.js";
import { findHookedLauncher } from "./host/hook/hooked-launcher.js";
import { HookError } from "./host/hook/error.js";
import { LauncherError, findLauncher } from "./host/launcher.js";
import { packageRoot } from "./host/package-root.js";
import { RingError } from "./host/ring/ring.js";
import { type Outcome, TraceSession, findTraceLauncher } from "./host/trace/session.js";
import { MatchError } from "./match/compile.js";
import { FilterError, TraceFilter } from "./trace/filter.js";
import { type EventObject, eventObject } from "./trace/json.js";
import { isSaidLater, shownBy } from "./trace/output.js";

export { FilterError, HookError, LauncherError, MatchError, RingError, RuleError };
export type { EventObject, FaultObject, Outcome, RuleCount, SiteCount };

const warn = (line: string): void => process.emitWarning(line);

export interface RunOptions {
  /** Hooks' files, in the order in which they see a call (docs/hooks.md). */
  readonly hooks?: readonly string[];
  /** Instructions that are patched (docs/matching.md). */
  readonly match?: string;
  /** Further options of `flicker run`: `["--stats"]`. */
  readonly options?: readonly string[];
}

/**
 * Runs a program, with the standard descriptors of this process, and gives how it ended.
 * @throws HookError, MatchError or LauncherError when it cannot be started
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { hooks = [], match = null } = options;
  const isPlain = hooks.length === 0 && match === null;
  const launcher = isPlain
    ? await findLauncher(packageRoot, warn)
    : await findHookedLauncher(packageRoot, hooks, warn, match);
  return new Promise((resolve, reject) => {
    const child = spawn(launcher, ["run", ...(options.options ?? []), "--", ...command], { stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (status, signal) => resolve({ status, signal }));
  });
}

/** How a program ended, and what it executed. */
export interface Count {
  readonly outcome: Outcome;
  /** The instructions that were executed, in no order. */
  readonly counts: readonly SiteCount[];
}

/**
 * Runs a program and counts how often it, and what it executes, comes to the instructions that an expression names.
 * @throws MatchError or LauncherError when it cannot be started
 */
export async function count(command: readonly string[], match = "call"): Promise<Count> {
  return countSites(packageRoot, command, match, warn);
}

export interface CoverOptions {
  /** Only files whose path, or its last part, matches one of these: `libc.so*`, `/usr/lib/**`. */
  readonly files?: readonly string[];
}

/** A basic block that was executed. */
export interface BlockCount {
  /** Where it is in its file, as objdump prints it. */
  readonly address: bigint;
  /** In bytes. */
  readonly size: number;
  /** How often, over all processes. */
  readonly count: number;
}

export interface FileCoverage {
  readonly path: string;
  /** Those that were executed, in order of address. */
  readonly blocks: readonly BlockCount[];
  /** How many the file has. */
  readonly known: number;
}

/** How a program ended, and what it and all that it executed have executed. */
export interface Coverage {
  readonly outcome: Outcome;
  readonly files: readonly FileCoverage[];
  /** All of it as drcov's log. */
  drcov(): Uint8Array;
  /** Lines of the sources that the files name, as lcov's tracefile. */
  lcov(): string;
}

/**
 * Runs a program and finds out which basic blocks it, and what it executes, come to.
 * @throws MatchError or LauncherError when it cannot be started
 */
export async function cover(command: readonly string[], options: CoverOptions = {}): Promise<Coverage> {
  const expression = expressionOfGlobs(options.files ?? []);
  const { outcome, images } = await coverBlocks(packageRoot, command, expression, warn);
  const { files } = await coveredFiles(images, new KnownFiles(packageRoot));
  return {
    outcome,
    files: files.map(({ path, known, image }) => ({
      path,
      blocks: coveredBlocks(known, image).map(({ start, size, count }) => ({ address: BigInt(start), size, count })),
      known: known.blocks.length,
    })),
    drcov: () => drcovOf(files.map(({ path, known, image }) => moduleOf(path, known, image))),
    lcov: () => lcovOf(sourcesOf(files)),
  };
}

export interface TraceOptions {
  /** As behind -e: `openat,%network`, `signal=!SIGCHLD`. */
  readonly expressions?: readonly string[];
  /** Threads and children too: true unless said otherwise. */
  readonly follow?: boolean;
  /** So many bytes of a string: 32. */
  readonly stringLimit?: number;
  /** Structs, environments and arrays in full. */
  readonly verbose?: boolean;
  /** Descriptors with their paths. */
  readonly paths?: boolean;
  /** The program does not wait when events are taken too slowly; what is lost is an event of kind `lost`. */
  readonly lossy?: boolean;
}

/** A program that runs, and its events as they come. They can be iterated once; whoever leaves the loop lets the program go on. */
export interface Trace extends AsyncIterable<EventObject> {
  /** How the program ended. It waits for room when nobody takes its events. */
  readonly outcome: Promise<Outcome>;
  /** Sends the program a signal. */
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts a program and gives its system calls. It has the standard descriptors of this process.
 * @throws FilterError for an expression that means nothing, RingError or LauncherError when it cannot be traced
 */
export async function trace(command: readonly string[], options: TraceOptions = {}): Promise<Trace> {
  const filter = new TraceFilter(options.expressions);
  const decode = {
    textLimit: options.stringLimit ?? 32,
    isVerbose: options.verbose ?? false,
    withPaths: options.paths ?? false,
  };
  const launcher = await findTraceLauncher(packageRoot, warn);
  const queue = new EventQueue<EventObject>();
  const session = new TraceSession(
    launcher,
    command,
    {
      ...{ calls: filter.callNumbers, withMemory: true, isFollowing: options.follow ?? true, hasTimes: true },
      ...{ textLimit: decode.textLimit, withPaths: decode.withPaths, isLossless: !options.lossy },
    },
    {
      event: (event) => {
        const shown = shownBy(filter, event);
        if (shown !== null && !isSaidLater(shown)) queue.add(eventObject(shown, decode));
      },
      flush: () => queue.emptied(),
      idle: () => undefined,
    },
  );
  const followed = session.follow();
  followed.then(
    () => queue.end(null),
    (error: unknown) => queue.end(error),
  );
  return {
    outcome: followed.then(() => session.ended),
    kill: (signal) => session.kill(signal),
    [Symbol.asyncIterator]: () => queue.take(() => session.stop()),
  };
}

export interface FaultOptions {
  /** So many bytes of a string: 32. */
  readonly stringLimit?: number;
  /** Descriptors with their paths. */
  readonly paths?: boolean;
}

/** A program that runs with faults, and the calls that were changed, as they come. */
export interface Faults extends AsyncIterable<FaultObject> {
  /** The rules with their seeds: with these, the run is repeated. */
  readonly rules: readonly string[];
  /** How the program ended. It waits for room when nobody takes its events. */
  readonly outcome: Promise<Outcome>;
  /** What each rule came to, once the program and all that it has made have ended. */
  readonly counts: Promise<readonly RuleCount[]>;
  /** Sends the program a signal. */
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts a program whose system calls fail, come short or late as rules say (docs/fault.md). It has the standard descriptors of this
 * process. Whoever leaves the loop is told of no more; the rules go on.
 * @throws RuleError for a rule that means nothing, RingError or LauncherError when the program cannot be started
 */
export async function fault(
  command: readonly string[],
  rules: string | readonly string[],
  options: FaultOptions = {},
): Promise<Faults> {
  const parsed: readonly Rule[] = (typeof rules === "string" ? [rules] : rules).map((rule) => parseRule(rule));
  const decode = { textLimit: options.stringLimit ?? 32, isVerbose: false, withPaths: options.paths ?? false };
  const launcher = await findFaultLauncher(packageRoot, warn);
  const queue = new EventQueue<FaultObject>();
  const whole = new WholeCalls((event) => queue.add(faultObject(event, decode)));
  const session = startFaulty(
    launcher,
    command,
    { ...decode, rules: parsed },
    { event: (event) => whole.add(event), flush: () => queue.emptied(), idle: () => undefined },
  );
  const followed = session.follow();
  followed.then(
    () => {
      whole.finish();
      queue.end(null);
    },
    (error: unknown) => queue.end(error),
  );
  return {
    rules: parsed.map(({ text }) => text),
    outcome: followed.then(() => session.ended),
    counts: followed.then(() => countsOf(parsed, session.sums)),
    kill: (signal) => session.kill(signal),
    [Symbol.asyncIterator]: () => queue.take(() => session.stop()),
  };
}

/** Events between the reader of the ring, who waits until they have been taken, and whoever iterates. */
class EventQueue<T> {
  private events: T[] = [];
  private isEnded = false;
  private error: unknown = null;
  private wakeTaker = (): void => undefined;
  private wakeReader = (): void => undefined;

  add(event: T): void {
    this.events.push(event);
  }

  end(error: unknown): void {
    this.isEnded = true;
    this.error = error;
    this.wakeTaker();
  }

  emptied(): Promise<void> {
    if (this.events.length === 0) return Promise.resolve();
    this.wakeTaker();
    return new Promise((resolve) => (this.wakeReader = resolve));
  }

  async *take(stop: () => void): AsyncGenerator<T, void> {
    try {
      for (;;) {
        const events = this.events;
        this.events = [];
        yield* events;
        if (this.events.length > 0) continue;
        this.wakeReader();
        if (this.isEnded) break;
        await new Promise<void>((resolve) => (this.wakeTaker = resolve));
      }
      if (this.error !== null) throw this.error as Error;
    } finally {
      stop();
      this.events = [];
      this.wakeReader();
    }
  }
}
