// What starting a program costs: natively, through Flicker, and with what else runs programs under its eye.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Benchmark, Report, Table } from "./benchmark.js";
import { summarize, timeTable } from "./measure.js";
import { packageRoot } from "../src/host/package-root.js";
import { benchFolder, buildTarget, compilerProper, flicker, isInstalled, launcherPath, outputOf } from "./target.js";

/** Valgrind takes a hundred times as long as the rest, npx more: each has rounds of its own, with a native start in each. */
const SLOW_ROUNDS = 5;

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

interface Program {
  readonly title: string;
  readonly command: readonly string[];
  /** As part of `count` rounds. */
  readonly rounds: (count: number) => number;
}

function programs(): Program[] {
  const empty = join(benchFolder(), "empty.c");
  writeFileSync(empty, "");
  const cc1 = [compilerProper(), "-quiet", "-o", "/dev/null", empty];
  return [
    { title: "/bin/true", command: ["/bin/true"], rounds: (count) => count },
    { title: "bash -c true", command: ["/bin/bash", "-c", "true"], rounds: (count) => Math.ceil(count / 2) },
    { title: "python3 -c pass", command: ["/usr/bin/python3", "-c", "pass"], rounds: (count) => Math.ceil(count / 4) },
    { title: "cc1 on an empty file", command: cc1, rounds: (count) => Math.ceil(count / 4) },
  ];
}

function run({ rounds }: { rounds: number | null }): Report {
  const count = rounds ?? 200;
  const slowCount = Math.min(count, SLOW_ROUNDS);
  process.chdir(packageRoot);
  const launcher = launcherPath();
  const notes = [
    "from before vfork until the process was waited for, nothing subtracted (bench/programs/spawn-timer.c)",
    "not in Debian, so not here: zpoline, E9Patch, Frida, DynamoRIO",
  ];
  const tracer = isInstalled("strace") ? ["strace", "-f", "-qq", "-o", "/dev/null"] : null;
  const valgrind = isInstalled("valgrind") ? ["valgrind", "-q", "--tool=none"] : null;
  if (tracer === null) notes.push("strace is not installed");
  if (valgrind === null) notes.push("valgrind is not installed");
  const tables = programs().map(({ title, command, rounds }, index): Table => {
    const first = index === 0;
    const native = { name: "native", command };
    const quick: Command[] = [
      native,
      { name: "launcher", command: [launcher, "run", "--", ...command] },
      ...(first ? [{ name: "bin/flicker", command: [flicker, "run", "--", ...command] }] : []),
      ...(tracer ? [{ name: "strace -f", command: [...tracer, ...command] }] : []),
    ];
    const slow: Command[] = [
      ...(valgrind ? [{ name: "valgrind --tool=none", command: [...valgrind, ...command] }] : []),
      ...(first ? [{ name: "npx flicker", command: ["npx", "flicker", "run", "--", ...command] }] : []),
    ];
    const results = timeCommands(quick, rounds(count));
    if (slow.length > 0) results.push(...timeCommands([native, ...slow], slowCount).slice(1));
    return {
      title: `${title}: ${rounds(count)} interleaved rounds (valgrind, npx: ${slowCount})`,
      ...timeTable("ms", results),
    };
  });
  return { tables, notes };
}

export const start: Benchmark = { name: "start", description: "starting programs, small and large", run };
