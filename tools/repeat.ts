// Runs the differential scenarios many times and says which ever failed: flakes show only in numbers.
//
//     node --import tsx tools/repeat.ts --times 20 --load
//     node --import tsx tools/repeat.ts --times 100 --only 'signal-storms|^git'
//
// --load runs `stress -c 2` beside it; --set chooses programs, kernel or all; --jobs says how many run at once; what each
// failure leaves is kept under --keep; --run-option gives `flicker run` an option. Every failure counts: nothing is retried.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compareRuns } from "../test/oracle/differential.js";
import { scenarios } from "../test/oracle/scenarios.js";
import { type TargetCase, targetCases } from "../test/oracle/targets.js";

const { values: options } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    jobs: { type: "string", default: "1" },
    load: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    set: { type: "string", default: "all" },
    keep: { type: "string" },
    "run-option": { type: "string", multiple: true, default: [] },
  },
});

interface Tally {
  passed: number;
  failures: string[];
}

function chosen(): TargetCase[] {
  const programs = scenarios.map((scenario) => ({ name: scenario.name, scenario: () => Promise.resolve(scenario) }));
  const all = [...(options.set === "kernel" ? [] : programs), ...(options.set === "programs" ? [] : targetCases())];
  const pattern = new RegExp(options.only);
  return all.filter(({ name }) => pattern.test(name));
}

async function main(): Promise<void> {
  const times = Number(options.times);
  const keep = options.keep ?? (await mkdtemp(join(tmpdir(), "flicker-repeat-")));
  await mkdir(keep, { recursive: true });
  process.env["FLICKER_TEST_ARTEFACTS"] = keep;

  const cases = chosen();
  const tallies = new Map<string, Tally>(cases.map(({ name }) => [name, { passed: 0, failures: [] }]));
  for (const { scenario } of cases) await scenario(); // builds the programs before the load begins

  if (options.load) startLoad();
  for (let round = 1; round <= times; round++) await runRound(round, cases, tallies);

  const failed = [...tallies].filter(([, tally]) => tally.failures.length > 0);
  for (const [name, tally] of failed) console.log(`${name}: ${tally.failures.length} of ${times} failed`);
  console.log(`${cases.length - failed.length} of ${cases.length} scenarios passed ${times} times`);
  if (failed.length > 0) console.log(`kept in ${keep}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

/** Two busy processes until this one ends, however it ends. */
function startLoad(): void {
  const load = spawn("stress", ["-q", "-c", "2"], { stdio: "inherit", detached: true });
  load.on("error", (error) => {
    console.error(`repeat: stress: ${error.message}`);
    process.exit(2);
  });
  load.unref();
  process.on("exit", () => {
    if (load.pid !== undefined) process.kill(-load.pid); // the workers, too
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(2));
}

async function runRound(round: number, cases: TargetCase[], tallies: Map<string, Tally>): Promise<void> {
  const start = Date.now();
  const waiting = [...cases];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const tally = tallies.get(next.name)!;
      try {
        const scenario = await next.scenario();
        await compareRuns({ ...scenario, options: [...(scenario.options ?? []), ...options["run-option"]] });
        tally.passed++;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        tally.failures.push(message);
        console.log(`round ${round}: ${message}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, worker));
  console.log(`round ${round}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

await main();
