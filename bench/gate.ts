// What a system call costs on its way through Flicker, against native and against strace.

import type { Benchmark, Report } from "./benchmark.js";
import { interleave, timeTable, type Variant } from "./measure.js";
import { buildTarget, isInstalled, launcherPath, outputOf } from "./target.js";

const CALLS = 2_000_000;
/** strace takes microseconds a call. */
const CALLS_TRACED = 10_000;

function run({ rounds }: { rounds: number | null }): Report {
  const program = buildTarget("bare-call");
  const count = rounds ?? 15;
  const variant = (name: string, prefix: readonly string[], calls: number): Variant => ({
    name,
    measure: () => Number(outputOf([...prefix, program, String(calls)])),
  });
  const variants = [
    variant("native", [], CALLS),
    variant("pass-through", [launcherPath(), "run", "--"], CALLS),
    variant("counted", [launcherPath(), "run", "--count-calls", "--stats-file", "/dev/null", "--"], CALLS),
  ];
  const notes = [
    `${count} interleaved rounds of ${CALLS} calls of system call 1000 (ENOSYS), timed by the program itself`,
    "counted: through gate and engine, an atomic counter, then the kernel (--count-calls)",
  ];
  if (isInstalled("strace")) {
    variants.push(
      variant("strace -e trace=none", ["strace", "-qq", "-o", "/dev/null", "-e", "trace=none"], CALLS_TRACED),
      variant("strace", ["strace", "-qq", "-o", "/dev/null"], CALLS_TRACED),
    );
    notes.push(`strace: ${CALLS_TRACED} calls a round`);
  } else notes.push("strace is not installed");
  return { tables: [timeTable("ns a call", interleave(variants, count))], notes };
}

export const gate: Benchmark = { name: "gate", description: "one system call: native, patched, traced", run };
