// What a system call costs on its way through Flicker, against native and against the other ways to get hold of it.
//
// The peers are programs of our own (bench/programs), each the mechanism alone with the cheapest handler there is: what a
// tool built on it has to pay at least. What is not in Debian (E9Patch, Frida, DynamoRIO, zpoline itself) is not measured.

import type { Benchmark, Report } from "./benchmark.js";
import { interleave, timeTable, type Variant } from "./measure.js";
import { buildTarget, isInstalled, launcherPath, outputOf, refusalOf } from "./target.js";

const CALLS = 2_000_000;
/** A signal takes a microsecond or more a call. */
const CALLS_SIGNALLED = 100_000;
/** strace takes a hundred. */
const CALLS_TRACED = 3_000;

function run({ rounds }: { rounds: number | null }): Report {
  const program = buildTarget("bare-call");
  const launcher = launcherPath();
  const count = rounds ?? 15;
  const variant = (name: string, command: readonly string[], calls: number): Variant => ({
    name,
    measure: () => Number(outputOf([...command, String(calls)])),
  });
  const flicker = (...options: string[]): string[] => [launcher, "run", ...options, "--", program];
  const variants = [
    variant("native", [program], CALLS),
    variant("pass-through", flicker(), CALLS),
    variant("counted", flicker("--count-calls", "--stats-file", "/dev/null"), CALLS),
    variant("--exhaustive", flicker("--exhaustive"), CALLS),
    variant("--yield-gs", flicker("--yield-gs"), CALLS),
    variant(
      "--yield-gs, counted",
      flicker("--yield-gs", "--count-calls", "--stats-file", "/dev/null"),
      CALLS_SIGNALLED,
    ),
    variant("--only-traps", flicker("--only-traps"), CALLS_SIGNALLED),
  ];
  const notes = [
    `${count} interleaved rounds of ${CALLS} calls of system call 1000 (ENOSYS); the program times 1000 batches and prints their median`,
    `${CALLS_SIGNALLED} calls a round where each is a signal, ${CALLS_TRACED} with strace`,
    "counted: through gate and engine, an atomic counter, then the kernel (--count-calls)",
    "--exhaustive: the same way, with the kernel's Syscall User Dispatch armed",
    "--yield-gs: as in a program that has gs base for itself",
    "not in Debian, so not here: E9Patch, Frida, DynamoRIO, zpoline (`call *%rax` is its mechanism)",
  ];
  const peers: readonly [name: string, source: string, calls: number, kind?: string][] = [
    ["call *%rax, page 0", "page-zero-call", CALLS],
    ["Syscall User Dispatch", "dispatched-call", CALLS_SIGNALLED],
    ["seccomp RET_TRAP", "filtered-call", CALLS_SIGNALLED],
    ["int3 trap", "trapped-call", CALLS_SIGNALLED, "int3"],
    ["ud2 trap", "trapped-call", CALLS_SIGNALLED, "ud2"],
  ];
  for (const [name, source, calls, kind] of peers) {
    const peer = [buildTarget(source, ["-mno-red-zone"]), ...(kind === undefined ? [] : [kind])];
    const refusal = refusalOf([...peer, "1"]);
    if (refusal === null) variants.push(variant(name, peer, calls));
    else notes.push(`${name}: not permitted here (${refusal})`);
  }
  if (isInstalled("strace")) {
    variants.push(
      variant("strace -e trace=none", ["strace", "-qq", "-o", "/dev/null", "-e", "trace=none", program], CALLS_TRACED),
      variant("strace", ["strace", "-qq", "-o", "/dev/null", program], CALLS_TRACED),
    );
  } else notes.push("strace is not installed");
  return { tables: [timeTable("ns a call", interleave(variants, count))], notes };
}

export const gate: Benchmark = {
  name: "gate",
  description: "one system call: native, patched, trapped, traced",
  run,
};
