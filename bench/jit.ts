// Code that programs make: engines with work that makes them compile, what publishing code costs, and what is kept of code that is gone.

import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../src/host/package-root.js";
import type { Benchmark, Report, Table } from "./benchmark.js";
import { summarize, timeTable } from "./measure.js";
import { type Engine, engines } from "../test/oracle/engines.js";
import { benchFolder, buildTarget, flicker, isInstalled, launcherPath, outputOf } from "./target.js";

/** The launcher that puts a trampoline in front of each call. */
function launcherForCalls(): string {
  return execFileSync(flicker, ["path", "--match", "call"], { encoding: "utf8" }).trimEnd();
}

interface Way {
  readonly name: string;
  readonly prefix: readonly string[];
}

function ways(): Way[] {
  return [
    { name: "native", prefix: [] },
    { name: "Flicker", prefix: [launcherPath(), "run", "--"] },
    { name: "Flicker --match call", prefix: [launcherForCalls(), "run", "--"] },
  ];
}

/** Engines with more of their work: what they cost once most of it is compiled. */
const LONGER: readonly Pick<Engine, "name" | "command">[] = engines
  .filter(({ name }) => name === "HotSpot")
  .map(({ name, command }) => ({ name: `${name}, ten times the work`, command: [...command, "15000"] }));

function engineTables(rounds: number): Table[] {
  const timer = buildTarget("spawn-timer");
  const all = ways();
  return [...engines, ...LONGER]
    .filter(({ command }) => isInstalled(command[0]))
    .map(({ name, command }): Table => {
      process.chdir(benchFolder());
      const commands = all.flatMap(({ prefix }, i) => [...(i === 0 ? [] : [";;"]), ...prefix, ...command]);
      const rows = outputOf([timer, String(rounds), ...commands])
        .trimEnd()
        .split("\n")
        .filter((line) => /^\d+( \d+){2}$/.test(line))
        .map((line) => line.split(" ").map((nanoseconds) => Number(nanoseconds) / 1e6));
      const names = all.map((way) => way.name);
      return { title: `${name}: ${rounds} interleaved rounds`, ...timeTable("ms", summarize(names, rows)) };
    });
}

interface Tenth {
  readonly functions: number;
  readonly milliseconds: number;
  readonly resident: number;
  readonly mappings: number;
  readonly patched: number;
}

function parseTenths(output: string): Tenth[] {
  return output
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [done, milliseconds, , resident, , mappings, , patched] = line.split(" ").map(Number);
      return {
        functions: done as number,
        milliseconds: milliseconds as number,
        resident: resident as number,
        mappings: mappings as number,
        patched: patched as number,
      };
    });
}

function churn(prefix: readonly string[], functions: number, way: string, threads: number): Tenth[] {
  const program = buildTarget("churn", ["-pthread"]);
  return parseTenths(outputOf([...prefix, program, String(functions), way, String(threads)]));
}

const CHURN = [
  { way: "pages", what: "32 on a page, published and freed together" },
  { way: "unmap", what: "one on a page, published and freed" },
  { way: "move", what: "likewise, at ever new addresses" },
  { way: "toggle", what: "one after the other on pages that toggle" },
  { way: "reuse", what: "one over the other, writable and executable" },
] as const;

/** Microseconds of a function that is written, published, run and gone. */
function publishingTable(functions: number): Table {
  const all = ways();
  return {
    title: `microseconds a function, ${functions} of them, each with a system call and a call`,
    header: ["", ...all.map((way) => way.name)],
    rows: CHURN.map(({ way, what }) => [
      what,
      ...all.map(({ prefix }) => {
        const last = churn(prefix, functions, way, 0).at(-1);
        return ((last.milliseconds * 1000) / last.functions).toFixed(1);
      }),
    ]),
  };
}

/** Percent by which a value changes in 100,000 functions: the line through what comes after the first fifth. */
function slope(tenths: readonly Tenth[], valueOf: (tenth: Tenth) => number): number {
  const points = tenths.slice(2).map((tenth) => [tenth.functions / 100_000, valueOf(tenth)] as const);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(points.map(([at]) => at));
  const y = mean(points.map(([, value]) => value));
  const above = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0);
  const below = points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
  return ((above / below) * 100) / y;
}

/** What a million functions that are gone leave behind, while two more threads run code of their own. */
function churnTable(functions: number): Table {
  const prefix = ways()[1]?.prefix ?? [];
  return {
    title: `${functions} functions, two more threads: change in 100,000 functions after the first fifth`,
    header: ["", "resident KiB", "change, %", "mappings", "change, %", "patched, %", "change, %"],
    rows: CHURN.map(({ way, what }) => {
      const tenths = churn(prefix, functions, way, 2);
      const last = tenths.at(-1);
      return [
        what,
        String(last.resident),
        slope(tenths, ({ resident }) => resident).toFixed(2),
        String(last.mappings),
        slope(tenths, ({ mappings }) => mappings).toFixed(2),
        ((last.patched * 1000) / functions).toFixed(1),
        slope(tenths, ({ patched }) => patched).toFixed(2),
      ];
    }),
  };
}

const CHURNING_ENGINES = [
  { name: "V8", command: ["node", "churn.cjs"] },
  { name: "LuaJIT", command: ["luajit", "churn.lua"] },
] as const;

/** What engines leave behind that compile, run and forget functions, with a trampoline in front of each call. */
async function engineChurnTable(minutes: number): Promise<Table> {
  const prefix = ways().at(-1)?.prefix ?? [];
  const rows = CHURNING_ENGINES.map(async ({ name, command: [engine, file] }) => {
    const [launcher = "", ...args] = [...prefix, engine, join(packageRoot, "bench/programs", file)];
    const { stdout } = await promisify(execFile)(launcher, [...args, String(minutes * 60)]);
    const tenths = parseTenths(stdout);
    const last = tenths.at(-1);
    return [
      name,
      String(last.functions),
      String(last.resident),
      slope(tenths, ({ resident }) => resident).toFixed(2),
      String(last.mappings),
      slope(tenths, ({ mappings }) => mappings).toFixed(2),
    ];
  });
  return {
    title: `${minutes} minutes, --match call: change in 100,000 functions after the first fifth`,
    header: ["", "functions", "resident KiB", "change, %", "mappings", "change, %"],
    rows: await Promise.all(rows),
  };
}

function runEngines({ rounds }: { rounds: number | null }): Report {
  return {
    tables: [...engineTables(rounds ?? 7), publishingTable(20_000)],
    notes: ["start-up of the engine, and of Flicker, is part of each run"],
  };
}

/** A round is 100,000 functions. */
function runChurn({ rounds }: { rounds: number | null }): Report {
  return { tables: [churnTable((rounds ?? 10) * 100_000)], notes: ["patched: of the functions of the last tenth"] };
}

/** A round is a minute. */
async function runEngineChurn({ rounds }: { rounds: number | null }): Promise<Report> {
  return { tables: [await engineChurnTable(rounds ?? 10)], notes: ["both at the same time"] };
}

export const jit: Benchmark = { name: "jit", description: "code that programs make", run: runEngines };
export const churned: Benchmark = { name: "churn", description: "a million functions that come and go", run: runChurn };
export const engineChurned: Benchmark = {
  name: "engine-churn",
  description: "ten minutes of engines whose code comes and goes",
  run: runEngineChurn,
};
