// Programs that start programs: what Flicker's start costs where it is paid again and again, with each program followed.

import { join } from "node:path";
import type { Benchmark, Report, Table } from "./benchmark.js";
import { summarize, timeTable } from "./measure.js";
import { packageRoot } from "../src/host/package-root.js";
import { benchFolder, buildTarget, launcherPath, outputOf } from "./target.js";

const CHAIN = 1000;
const LOOP = 100;

interface Work {
  readonly title: string;
  readonly command: readonly string[];
  readonly rounds: number;
}

function works(count: number): Work[] {
  const loop = `i=0; while [ $i -lt ${LOOP} ]; do /bin/true; i=$((i+1)); done`;
  return [
    { title: `one process, ${CHAIN} times execve`, command: [buildTarget("exec-chain"), String(CHAIN)], rounds: count },
    { title: `sh: ${LOOP} times /bin/true`, command: ["/bin/sh", "-c", loop], rounds: count * 3 },
    {
      title: "a configure script (25 starts of tools, 5 of gcc)",
      command: ["/bin/sh", "-e", join(packageRoot, "bench/programs/configure.sh")],
      rounds: count * 2,
    },
  ];
}

function run({ rounds }: { rounds: number | null }): Report {
  const timer = buildTarget("spawn-timer");
  const launcher = launcherPath();
  const tables = works(rounds ?? 5).map(({ title, command, rounds: times }): Table => {
    const under = [launcher, "run", "--", ...command];
    process.chdir(benchFolder());
    const rows = outputOf([timer, String(times), ...command, ";;", ...under])
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ").map((nanoseconds) => Number(nanoseconds) / 1e6));
    return {
      title: `${title}: ${times} interleaved rounds`,
      ...timeTable("ms", summarize(["native", "Flicker"], rows)),
    };
  });
  return { tables, notes: ["every program that is started runs under Flicker"] };
}

export const exec: Benchmark = { name: "exec", description: "programs that start programs", run };
