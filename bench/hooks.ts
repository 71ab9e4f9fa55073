// What a hook in front of every jump costs: nothing but the way through the trampoline, a counter, a count for each site, and a
// `before` that is called.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Benchmark, Report } from "./benchmark.js";
import { interleave, timeTable } from "./measure.js";
import { benchFolder, flicker, outputOf } from "./target.js";

const MEGABYTES = 10;

const COUNTER = `import { Context, Counter } from "flicker/hook";
const jumps = new Counter("jumps");
export function before(context: Context): void {
  jumps.add(1);
}
`;
const CALLED = `import { Context } from "flicker/hook";
let last: u64 = 0;
export function before(context: Context): void {
  last = context.rax;
}
`;

function hook(name: string, text: string): string[] {
  const file = join(benchFolder(), name);
  writeFileSync(file, text);
  return ["--hook", file];
}

function seconds(command: readonly string[]): number {
  const start = performance.now();
  const { status, error } = spawnSync(command[0]!, command.slice(1), { stdio: "ignore" });
  if (status !== 0) throw error ?? new Error(`${command.join(" ")} ends with status ${status}`);
  return (performance.now() - start) / 1000;
}

function run({ rounds }: { rounds: number | null }): Report {
  const data = join(benchFolder(), "data");
  writeFileSync(data, randomBytes(MEGABYTES << 20));
  const program = ["gzip", "-1", "-c", data];
  const launcher = (...options: string[]): string =>
    outputOf([flicker, "path", "--match", "jump", ...options]).trimEnd();
  const under = (path: string, ...options: string[]): (() => number) => {
    const command = [path, "run", ...options, "--", ...program];
    return () => seconds(command);
  };
  const empty = launcher();
  const results = interleave(
    [
      { name: "native", measure: () => seconds(program) },
      { name: "empty", measure: under(empty) },
      { name: "a counter", measure: under(launcher(...hook("counter.ts", COUNTER))) },
      { name: "flicker count", measure: under(empty, "--count-sites", "--stats-file", "/dev/null") },
      { name: "a hook that is called", measure: under(launcher(...hook("called.ts", CALLED))) },
    ],
    rounds ?? 7,
  );
  const overhead = results[1]!.ratio - 1;
  const table = timeTable("s", results);
  return {
    tables: [
      {
        header: [...table.header, "of the empty one's overhead"],
        rows: table.rows.map((row, i) => [
          ...row,
          i === 0 ? "" : `${((results[i]!.ratio - 1) / overhead).toFixed(2)}x`,
        ]),
      },
    ],
    notes: [
      `gzip -1 of ${MEGABYTES} MiB that cannot be compressed, from start to end, every jump of it and its libraries`,
    ],
  };
}

export const hooks: Benchmark = { name: "hooks", description: "hooks in front of every jump", run };
