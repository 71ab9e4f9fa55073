// What starting a program costs: /bin/true natively, through the launcher, through bin/flicker, through npx.

import type { Benchmark, Report } from "./benchmark.js";
import { summarize, timeTable } from "./measure.js";
import { packageRoot } from "../src/host/package-root.js";
import { buildTarget, flicker, isInstalled, launcherPath, outputOf } from "./target.js";

const PROGRAM = "/bin/true";
/** npx takes a thousand times as long as the rest: it has rounds of its own. */
const NPX_ROUNDS = 5;

interface Command {
  readonly name: string;
  readonly command: readonly string[];
}

function timeRounds(commands: readonly Command[], rounds: number): number[][] {
  const timer = buildTarget("spawn-timer");
  const args = commands.flatMap(({ command }, index) => (index === 0 ? command : [";;", ...command]));
  return outputOf([timer, String(rounds), ...args])
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ").map((nanoseconds) => Number(nanoseconds) / 1e6));
}

function timeCommands(commands: readonly Command[], rounds: number) {
  timeRounds(commands, 1);
  return summarize(
    commands.map(({ name }) => name),
    timeRounds(commands, rounds),
  );
}

function run({ rounds }: { rounds: number | null }): Report {
  const count = rounds ?? 200;
  const npxCount = Math.min(count, NPX_ROUNDS);
  const native = { name: "native", command: [PROGRAM] };
  const commands = [
    native,
    { name: "launcher", command: [launcherPath(), "run", "--", PROGRAM] },
    { name: "bin/flicker", command: [flicker, "run", "--", PROGRAM] },
    ...(isInstalled("strace")
      ? [{ name: "strace -f", command: ["strace", "-f", "-qq", "-o", "/dev/null", PROGRAM] }]
      : []),
  ];
  process.chdir(packageRoot);
  const npx = { name: "npx flicker", command: ["npx", "flicker", "run", "--", PROGRAM] };
  const results = [...timeCommands(commands, count), ...timeCommands([native, npx], npxCount).slice(1)];
  return {
    tables: [timeTable("ms a start", results)],
    notes: [
      `${count} interleaved rounds (npx: ${npxCount}, with a native start in each) of ${PROGRAM}`,
      "from before vfork until the process was waited for, nothing subtracted (bench/programs/spawn-timer.c)",
    ],
  };
}

export const start: Benchmark = { name: "start", description: "starting /bin/true in four ways", run };
