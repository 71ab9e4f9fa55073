// How fast compiled wasm is: the same module by our backend and in V8, and for the classic kernels the same algorithm in C
// by gcc -O2. Processor time of one call, after one that warms up; results must agree.
//
// V8 is warm when its optimising compiler is done: each kernel runs for WARM_UP_MS before it is measured.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compileAssemblyScript } from "../src/backend/compile-assemblyscript.js";
import { packageRoot } from "../src/host/package-root.js";
import type { Benchmark, Report } from "./benchmark.js";
import { nativeTimer, type Input } from "./kernel-timer.js";
import { interleave, timeTable, type Result, type Variant } from "./measure.js";
import { benchFolder, buildTarget, outputOf } from "./target.js";

/** Name and argument: how many rounds take some ten milliseconds. */
const KERNELS: readonly (readonly [name: string, rounds: number])[] = [
  ["fnv", 300],
  ["sum32", 4000],
  ["sha256", 80],
  ["qsort", 20],
  ["hashMap", 1000],
  ["emitCode", 5000],
  ["lengths", 1000],
  ["crc32", 150],
  ["matrix", 600],
  ["sieve", 300],
  ["strings", 600],
  ["dispatch", 40],
  ["indirect", 40],
];
const LOOPS: readonly (readonly [name: string, rounds: number])[] = [
  ["decodeCode", 2],
  ["weighCode", 20],
  ["planCode", 4],
];
const SYS_MMAP = 9n;
const SEED = 12345;
const WARM_UP_MS = 400;
/** Code for the engine's loops. */
const CODE_FILE = "/lib/x86_64-linux-gnu/libc.so.6";

const processorTime = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

type Exports = Record<string, (argument: number) => number | bigint | undefined> & { memory: WebAssembly.Memory };

/** The planner asks for memory: what it would get is all that it needs here, and simulating it would cost more than it. */
async function instantiate(wasm: Uint8Array): Promise<Exports> {
  const refuse = (): never => {
    throw new Error("a kernel reached for the process");
  };
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm as BufferSource));
  const process = Object.fromEntries(imports.map(({ name }) => [name, refuse as WebAssembly.ImportValue]));
  process["syscall"] = (number: bigint, first: bigint): bigint => (number === SYS_MMAP ? first : 0n);
  const { instance } = await WebAssembly.instantiate(wasm as BufferSource, { process });
  return instance.exports as unknown as Exports;
}

function timeInV8(exports: Exports, prepare: string, prepared: number, name: string, rounds: number) {
  exports[prepare]?.(prepared);
  const start = processorTime();
  const result = exports[name]?.(rounds) ?? 0;
  return { nanoseconds: processorTime() - start, result: BigInt.asUintN(64, BigInt(result)) };
}

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** One kernel by all compilers: milliseconds, and ratios to the first. */
function measureKernel(name: string, count: number, variants: readonly Variant[]): Result[] {
  return interleave(variants, count).map((result) => ({ ...result, name: `${name}, ${result.name}` }));
}

async function run({ rounds: wanted }: { rounds: number | null }): Promise<Report> {
  const count = wanted ?? 9;
  const results: Result[] = [];
  const ratios = { gcc: [] as number[], scalar: [] as number[], v8: [] as number[], loops: [] as number[] };

  const wasm = await compileAssemblyScript("test/backend/kernels/kernels.as.ts", packageRoot);
  const loops = await compileAssemblyScript("test/backend/kernels/engine.as.ts", packageRoot);
  const peers = [
    { name: "gcc -O2", file: buildTarget("kernels") },
    { name: "gcc -O2, scalar", file: buildTarget("kernels", ["-fno-tree-vectorize"]) },
  ] as const;
  const none: Input = { pointer: 0, bytes: new Uint8Array() };

  const checkResults = (name: string, seen: readonly bigint[]): void => {
    const low = new Set(seen.map((result) => BigInt.asUintN(32, result)));
    if (low.size !== 1) throw new Error(`${name}: the results differ: ${seen.join(", ")}`);
  };
  const warmUp = (exports: Exports, prepare: string, prepared: number, name: string, rounds: number): void => {
    const end = Date.now() + WARM_UP_MS;
    while (Date.now() < end) timeInV8(exports, prepare, prepared, name, rounds);
  };

  const native = nativeTimer(
    join(benchFolder(), "kernels-native"),
    wasm,
    KERNELS.map(([name]) => name),
    "fill",
  );
  const inV8 = await instantiate(wasm);
  for (const [name, rounds] of KERNELS) {
    warmUp(inV8, "fill", SEED, name, rounds);
    const c = (file: string): [number, bigint] => {
      const [time, result] = outputOf([file, name, String(rounds)]).split(" ");
      return [Number(time), BigInt(result as string)];
    };
    checkResults(name, [
      native(name, rounds, SEED, none).result,
      timeInV8(inV8, "fill", SEED, name, rounds).result,
      ...peers.map(({ file }) => c(file)[1]),
    ]);
    const rows = measureKernel(name, count, [
      ...peers.map(({ name, file }) => ({ name, measure: () => c(file)[0] / 1e6 })),
      { name: "V8", measure: () => timeInV8(inV8, "fill", SEED, name, rounds).nanoseconds / 1e6 },
      { name: "flicker", measure: () => native(name, rounds, SEED, none).nanoseconds / 1e6 },
    ]);
    results.push(...rows);
    const [, scalar, v8, ours] = rows as [Result, Result, Result, Result];
    ratios.gcc.push(ours.ratio);
    ratios.scalar.push(ours.ratio / scalar.ratio);
    ratios.v8.push(ours.ratio / v8.ratio);
  }

  const loopsNative = nativeTimer(
    join(benchFolder(), "engine-native"),
    loops,
    LOOPS.map(([name]) => name),
    "weighCode",
  );
  const bytes = readFileSync(CODE_FILE);
  for (const [name, rounds] of LOOPS) {
    // The planner remembers where it has been: an instance of its own for each loop.
    const loopsV8 = await instantiate(loops);
    const pointer = Number(loopsV8["codePointer"]?.(0));
    const input = { pointer, bytes: bytes.subarray(0, Number(loopsV8["codeSize"]?.(0))) };
    new Uint8Array(loopsV8.memory.buffer).set(input.bytes, pointer);
    loopsV8["weighCode"]?.(1);
    loopsV8[name]?.(1);
    checkResults(name, [
      loopsNative(name, rounds, 1, input).result,
      timeInV8(loopsV8, "weighCode", 1, name, rounds).result,
    ]);
    warmUp(loopsV8, "weighCode", 1, name, rounds);
    const rows = measureKernel(name, count, [
      { name: "V8", measure: () => timeInV8(loopsV8, "weighCode", 1, name, rounds).nanoseconds / 1e6 },
      { name: "flicker", measure: () => loopsNative(name, rounds, 1, input).nanoseconds / 1e6 },
    ]);
    results.push(...rows);
    ratios.loops.push((rows[1] as Result).ratio);
  }

  const shown = (values: readonly number[]): string =>
    `${geometricMean(values).toFixed(3)} (worst ${Math.max(...values).toFixed(2)})`;
  return {
    tables: [timeTable("ms", results)],
    notes: [
      `flicker / gcc -O2, geometric mean of ${KERNELS.length} kernels: ${shown(ratios.gcc)}`,
      `flicker / gcc -O2 -fno-tree-vectorize: ${shown(ratios.scalar)}`,
      `flicker / V8, the same kernels: ${shown(ratios.v8)}`,
      `flicker / V8, the engine's ${LOOPS.length} loops over ${CODE_FILE}: ${shown(ratios.loops)}`,
      `flicker / V8, all: ${shown([...ratios.v8, ...ratios.loops])}`,
      `${count} interleaved rounds, processor time; ratios are to the first of each group`,
    ],
  };
}

export const backend: Benchmark = {
  name: "backend",
  description: "compiled wasm: our backend, V8, and gcc -O2 on the same algorithms",
  run,
};
