// Rounds of the differential cases: what `repeat.ts` does a number of times and `soak.ts` for a time. Every failure counts: nothing is retried.
import { spawn } from "node:child_process";
import { compareRuns, type NativeRuns, type Scenario } from "../test/oracle/differential.js";
import { engineScenarios } from "../test/oracle/engines.js";
import { scenarios } from "../test/oracle/scenarios.js";
import { type TargetCase, targetCases } from "../test/oracle/targets.js";

export interface Tally {
  passed: number;
  failures: string[];
}

export type CaseSet = "programs" | "engines" | "kernel" | "all";

export interface Rounds {
  readonly cases: readonly TargetCase[];
  readonly tallies: ReadonlyMap<string, Tally>;
  /** Each case runs natively in its first round, and under Flicker in every one. */
  readonly natives: NativeRuns;
}

/** The cases of a set whose names match; scenarios that take minutes only when `long` is given. */
export function chooseCases(set: CaseSet, pattern: RegExp, long: boolean): Rounds {
  const casesOf = (some: readonly Scenario[]): TargetCase[] =>
    some
      .filter((scenario) => long || !scenario.long)
      .map((scenario) => ({ name: scenario.name, scenario: () => Promise.resolve(scenario) }));
  const sets = { programs: casesOf(scenarios), engines: casesOf(engineScenarios), kernel: targetCases() };
  const all = set === "all" ? [...sets.programs, ...sets.engines, ...sets.kernel] : sets[set];
  const cases = all.filter(({ name }) => pattern.test(name));
  return { cases, tallies: new Map(cases.map(({ name }) => [name, { passed: 0, failures: [] }])), natives: new Map() };
}

/** Compiles the targets, so that no round does. */
export async function buildCases(cases: readonly TargetCase[]): Promise<void> {
  for (const { scenario } of cases) await scenario();
}

/** Two busy processes until this one ends, however it ends. */
export function startLoad(): void {
  const load = spawn("stress", ["-q", "-c", "2"], { stdio: "inherit", detached: true });
  load.on("error", (error) => {
    console.error(`stress: ${error.message}`);
    process.exit(2);
  });
  load.unref();
  process.on("exit", () => {
    if (load.pid !== undefined) process.kill(-load.pid); // the workers, too
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(2));
}

/** Runs each case once, `jobs` at a time; none begins once `mayBegin` says no. Returns whether all of them ran. */
export async function runRound(
  round: number,
  { cases, tallies, natives }: Rounds,
  jobs: number,
  mayBegin: () => boolean = () => true,
): Promise<boolean> {
  const start = Date.now();
  const waiting = [...cases];
  const worker = async (): Promise<void> => {
    while (waiting.length > 0 && mayBegin()) {
      const next = waiting.shift()!;
      const tally = tallies.get(next.name)!;
      try {
        await compareRuns(await next.scenario(), natives);
        tally.passed++;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        tally.failures.push(message);
        console.log(`round ${round}: ${message}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  const isWhole = waiting.length === 0;
  console.log(
    `round ${round}: ${((Date.now() - start) / 1000).toFixed(1)} s${isWhole ? "" : `, ${waiting.length} left out`}`,
  );
  return isWhole;
}
