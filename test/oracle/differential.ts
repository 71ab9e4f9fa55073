// Runs a scenario natively and under Flicker and compares what can be seen from outside: stdout, stderr, exit status or
// signal, files left behind. Both runs get the same environment, the same stdin and a fresh directory *of the same path*
// (the first run's is moved away before the second starts), so that nothing has to be normalised but what a scenario says.
//
// Nothing is retried, and nothing waits for a fixed time. A run that exceeds its limit is a hang: the report says what
// every thread of it was doing, then all its processes are killed. A run that leaves processes behind fails, too.
//
// FLICKER_TEST_OPTIONS are options of `flicker run` for every scenario: the whole set under --exhaustive, for instance.
//
// What a failed comparison leaves is kept: a directory with native/ and flicker/, each with stdout, stderr, status,
// statistics and the working directory. FLICKER_TEST_ARTEFACTS says where; the temporary directory else.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { describeProcesses, killProcesses, markVariable, processesOf } from "../support/process-tree.js";

export interface Scenario {
  name: string;
  /** Found through the scenario's PATH, as a shell would. */
  command: readonly [string, ...string[]];
  /** Of `flicker run`. */
  options?: readonly string[];
  stdin?: string;
  environment?: Record<string, string>;
  /** Puts files into the working directory before each run. */
  prepare?: (directory: string) => Promise<void>;
  /** Runs the command under a pseudo-terminal and has this conversation with it. */
  terminal?: readonly TerminalStep[];
  /** Takes out what differs from run to run, such as process ids. Applied to stdout and stderr. */
  normalise?: (text: string) => string;
  /** Files of the working directory that must be equal, too. */
  files?: readonly string[];
  /** The executables that run and how often each is executed, by the name of the file behind it ("dash", not "sh"). */
  processes?: Readonly<Record<string, number>>;
  timeoutMs?: number;
  /** A helper of the program's ends by itself when the program is gone, natively as well: how long that may take. Default 0. */
  lingersMs?: number;
  /** Takes minutes: only in `npm run test:long` and in the soak. */
  long?: boolean;
  /** Which exit is right natively, so that a scenario that proves nothing is noticed. Default "exit 0"; null: any. */
  nativeStatus?: string | null;
}

export interface TerminalStep {
  /** A Python regular expression to wait for in what the terminal shows. */
  expect: string;
  send: string;
}

export interface Outcome {
  stdout: string;
  stderr: string;
  status: string;
  files: Record<string, string>;
}

/** An event of the statistics file; more fields belong to whoever reads them. */
interface StatisticsEvent {
  event: string;
  pid: number;
  exe: string;
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const launcherCache = join(tmpdir(), `flicker-test-hooks-${userInfo().uid}`);
const defaultTimeoutMs = 60_000;
const longTimeoutMs = 1_200_000;
const terminalHelper = fileURLToPath(new URL("../support/terminal.py", import.meta.url));

/** What a scenario did natively, and the directory that it did it in: its path may be part of what was printed. */
interface NativeRun {
  base: string;
  outcome: Outcome;
}

/** The native runs of scenarios that are compared again and again, by their names: each runs natively once. */
export type NativeRuns = Map<string, NativeRun>;

/**
 * Fails with a readable report unless the scenario behaves the same natively and under Flicker. With `natives` it runs
 * natively only where they do not hold it yet; their directories are left, for `forgetNativeRuns`.
 */
export async function compareRuns(scenario: Scenario, natives?: NativeRuns): Promise<void> {
  const launcher = await launcherPath();
  const complaints: string[] = [];
  const known = natives?.get(scenario.name);
  natives?.delete(scenario.name); // what a failed comparison leaves is not written over
  const { base, outcome: native } = known ?? (await runNatively(scenario, complaints));

  const flicker = await run(scenario, base, "flicker", launcher, complaints);
  complaints.push(...(await differences(base, native, flicker)));
  if (!isNativeStandIn()) complaints.push(...(await missingProcesses(scenario, base)));

  if (complaints.length > 0) throw new Error(`${scenario.name}:\n${complaints.join("\n")}\nkept in ${base}`);
  natives?.set(scenario.name, { base, outcome: native });
  await rm(natives ? join(base, "flicker") : base, { recursive: true, force: true });
}

/** Removes the directories of native runs. */
export async function forgetNativeRuns(natives: NativeRuns): Promise<void> {
  for (const { base } of natives.values()) await rm(base, { recursive: true, force: true });
  natives.clear();
}

async function runNatively(scenario: Scenario, complaints: string[]): Promise<NativeRun> {
  const parent = process.env["FLICKER_TEST_ARTEFACTS"] ?? tmpdir();
  await mkdir(parent, { recursive: true });
  const base = await mkdtemp(join(parent, `oracle-${scenario.name.replace(/[^\w.-]+/g, "-").slice(0, 60)}-`));

  const native = await run(scenario, base, "native", null, complaints);
  const wantedStatus = scenario.nativeStatus === undefined ? "exit 0" : scenario.nativeStatus;
  if (wantedStatus !== null && native.status !== wantedStatus)
    complaints.push(`natively: ${native.status} where ${wantedStatus} is right\n${tail(native.stderr)}`);
  // The targets of test/programs judge themselves; a target that fails natively proves nothing.
  if (/^FAILED/m.test(native.stdout)) complaints.push(`natively:\n${native.stdout.match(/^FAILED.*$/gm)?.join("\n")}`);
  return { base, outcome: native };
}

type Side = "native" | "flicker";

/** The processes of a run that are still there `lingersMs` after its end. */
async function processesLeft(
  session: number,
  mark: string,
  lingersMs: number,
): Promise<ReturnType<typeof processesOf>> {
  const end = performance.now() + lingersMs;
  let left = processesOf(session, mark);
  while (left.length > 0 && performance.now() < end) {
    await sleep(10);
    left = processesOf(session, mark);
  }
  return left;
}

async function run(
  scenario: Scenario,
  base: string,
  side: Side,
  launcher: string | null,
  complaints: string[],
): Promise<Outcome> {
  const records = join(base, side);
  const directory = join(base, "work");
  await mkdir(records);
  await mkdir(directory);
  await scenario.prepare?.(directory);
  await writeFile(join(records, "stdin"), scenario.stdin ?? "");

  const statistics = join(records, "statistics");
  const mark = basename(base);
  let command: string[] = [...scenario.command];
  const options = [...(process.env["FLICKER_TEST_OPTIONS"]?.split(" ") ?? []), ...(scenario.options ?? [])];
  if (launcher) command = [launcher, "run", "--stats-file", statistics, ...options, "--", ...command];
  if (scenario.terminal) {
    command = ["/usr/bin/python3", terminalHelper, JSON.stringify(scenario.terminal), "--", ...command];
  }

  const names = ["stdin", "stdout", "stderr"].map((name) => join(records, name));
  const descriptors = names.map((name, index) => openSync(name, index === 0 ? "r" : "w"));
  const child = spawn(command[0]!, command.slice(1), {
    cwd: directory,
    env: {
      PATH: systemPath,
      HOME: directory,
      TMPDIR: directory,
      LC_ALL: "C.UTF-8",
      TZ: "UTC",
      // A launcher for an expression is built once, not once in each fresh home folder.
      ...(options.some((option) => option.startsWith("--match")) ? { XDG_CACHE_HOME: launcherCache } : {}),
      ...scenario.environment,
      [markVariable]: mark,
      ...(process.env["FLICKER_TEST_LONG"] ? { FLICKER_TEST_LONG: process.env["FLICKER_TEST_LONG"] } : {}),
    },
    stdio: descriptors,
    detached: true, // a session of its own
  });
  for (const descriptor of descriptors) closeSync(descriptor);
  const session = child.pid ?? -1;

  let timer: NodeJS.Timeout | undefined;
  let hang: string | null = null;
  const status = await new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(`not started: ${error.message}`));
    child.on("exit", (code, signal) => resolve(signal ? `signal ${signal}` : `exit ${code}`));
    timer = setTimeout(() => {
      hang = describeProcesses(processesOf(session, mark));
      killProcesses(session, mark);
    }, timeoutOf(scenario));
  });
  clearTimeout(timer);

  const outcome: Outcome = {
    stdout: await text(join(records, "stdout")),
    stderr: await text(join(records, "stderr")),
    status,
    files: {},
  };
  for (const name of scenario.files ?? []) outcome.files[name] = await text(join(directory, name));
  const left = await processesLeft(session, mark, scenario.lingersMs ?? 0);
  if (hang !== null) {
    complaints.push(
      `${side}: hangs, after ${timeoutOf(scenario)} ms\n${hang}`,
      `last of stdout:\n${tail(outcome.stdout)}\nlast of stderr:\n${tail(outcome.stderr)}`,
    );
  } else if (left.length > 0) {
    complaints.push(`${side}: leaves processes behind\n${describeProcesses(left)}`);
    killProcesses(session, mark);
  }

  await rename(directory, join(records, "work"));
  await writeFile(join(records, "status"), outcome.status + "\n");
  if (scenario.normalise) {
    outcome.stdout = scenario.normalise(outcome.stdout);
    outcome.stderr = scenario.normalise(outcome.stderr);
  }
  return outcome;
}

function timeoutOf(scenario: Scenario): number {
  const own = scenario.timeoutMs ?? (scenario.long ? longTimeoutMs : defaultTimeoutMs);
  const limit = Number(process.env["FLICKER_TEST_TIMEOUT_MS"] ?? own);
  return process.env["FLICKER_TEST_LONG"] ? limit * 20 : limit;
}

async function differences(base: string, native: Outcome, flicker: Outcome): Promise<string[]> {
  const found: string[] = [];
  if (native.status !== flicker.status)
    found.push(`status: natively ${native.status}, under Flicker ${flicker.status}`);
  const pairs: [string, string, string][] = [
    ["stdout", native.stdout, flicker.stdout],
    ["stderr", native.stderr, flicker.stderr],
  ];
  for (const [name, text] of Object.entries(native.files)) pairs.push([name, text, flicker.files[name] ?? ""]);
  for (const [name, expected, actual] of pairs) {
    if (expected !== actual) found.push(`${name} differs:\n${await difference(base, name, expected, actual)}`);
  }
  return found;
}

async function difference(base: string, name: string, expected: string, actual: string): Promise<string> {
  const directory = join(base, "compared");
  const file = name.replaceAll("/", "_");
  for (const [side, text] of [
    ["native", expected],
    ["flicker", actual],
  ] as const) {
    await mkdir(join(directory, side), { recursive: true });
    await writeFile(join(directory, side, file), text);
  }
  const result = spawnSync("diff", ["-au", join("native", file), join("flicker", file)], {
    cwd: directory,
    encoding: "utf8",
  });
  const lines = result.stdout.split("\n");
  return lines.slice(0, 60).join("\n") + (lines.length > 60 ? `\n... ${lines.length - 60} more lines` : "");
}

const PAGE_SIZE = 4096;

/**
 * The lines of a statistics file. Of a process that is killed while it appends one there may be a part, up to the border of a page
 * (generic_perform_write of mm/filemap.c), and the next one's line behind it.
 */
function wholeLines(statistics: string): string[] {
  const lines = [...statistics.matchAll(/.+?(?:\n|(?=\{"event":)|$)/g)];
  const isTorn = (line: string, end: number): boolean => !line.endsWith("\n") && end % PAGE_SIZE === 0;
  return lines.filter(({ 0: line, index }) => !isTorn(line, index + line.length)).map(([line]) => line.trimEnd());
}

/** Every process of the expected tree must be in the statistics. */
async function missingProcesses(scenario: Scenario, base: string): Promise<string[]> {
  if (!scenario.processes) return [];
  const started = new Map<string, number>();
  for (const line of wholeLines(await text(join(base, "flicker", "statistics")))) {
    let event: StatisticsEvent;
    try {
      event = JSON.parse(line) as StatisticsEvent;
    } catch {
      return [`statistics: not a JSON object: ${line}`];
    }
    if (event.event !== "start") continue;
    const name = basename(event.exe);
    started.set(name, (started.get(name) ?? 0) + 1);
  }
  const complaints: string[] = [];
  for (const [name, count] of Object.entries(scenario.processes)) {
    const seen = started.get(name) ?? 0;
    if (seen < count) complaints.push(`statistics: ${name} is executed ${count} times, but listed ${seen} times`);
  }
  return complaints;
}

async function text(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

function tail(text: string): string {
  return text.split("\n").slice(-15).join("\n");
}
