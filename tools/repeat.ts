// Runs the differential scenarios many times and says which ever failed: flakes show only in numbers.
//
//     node --import tsx tools/repeat.ts --times 20 --load
//     node --import tsx tools/repeat.ts --times 100 --only 'signal-storms|^git'
//
// --load runs `stress -c 2` beside it; --set chooses programs, engines, kernel or all; --long adds what takes minutes; --jobs says
// how many run at once; what each failure leaves is kept under --keep; --run-option gives `flicker run` an option. Every
// failure counts: nothing is retried. A scenario runs natively in the first round, under Flicker in each.
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { forgetNativeRuns } from "../test/oracle/differential.js";
import type { TargetCase } from "../test/oracle/targets.js";
import { buildCases, type CaseSet, chooseCases, runRound, startLoad } from "./rounds.js";

const { values: options } = parseArgs({
  options: {
    times: { type: "string", default: "20" },
    jobs: { type: "string", default: "1" },
    load: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    set: { type: "string", default: "all" },
    keep: { type: "string" },
    "run-option": { type: "string", multiple: true, default: [] },
  },
});

function withRunOptions({ name, scenario }: TargetCase): TargetCase {
  return {
    name,
    scenario: async () => {
      const plain = await scenario();
      return { ...plain, options: [...(plain.options ?? []), ...options["run-option"]] };
    },
  };
}

async function main(): Promise<void> {
  const times = Number(options.times);
  const keep = options.keep ?? (await mkdtemp(join(tmpdir(), "flicker-repeat-")));
  await mkdir(keep, { recursive: true });
  process.env["FLICKER_TEST_ARTEFACTS"] = keep;

  const chosen = chooseCases(options.set as CaseSet, new RegExp(options.only), options.long);
  const rounds = { ...chosen, cases: chosen.cases.map(withRunOptions) };
  await buildCases(rounds.cases);

  if (options.load) startLoad();
  for (let round = 1; round <= times; round++) await runRound(round, rounds, Number(options.jobs));
  await forgetNativeRuns(rounds.natives);

  const failed = [...rounds.tallies].filter(([, tally]) => tally.failures.length > 0);
  for (const [name, tally] of failed) console.log(`${name}: ${tally.failures.length} of ${times} failed`);
  console.log(`${rounds.cases.length - failed.length} of ${rounds.cases.length} scenarios passed ${times} times`);
  if (failed.length > 0) console.log(`kept in ${keep}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

await main();
