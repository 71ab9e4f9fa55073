// Runs everything for a while and says whether it held:
//
//     npm run soak -- MINUTES [--only REGEX] [--set programs|kernel|all] [--jobs N] [--no-load] [--json]
//
// Two things go on until the time is over, under `stress -c 2`. The differential cases run round after round, natively in
// the first and under Flicker in each, those that take minutes too: a difference is a failure. And a few servers (soak/servers.ts) run all the
// time, each natively and under Flicker, and are made to work; how memory, descriptors and mappings of the two develop is
// reported at the end. What grows under Flicker more than natively is a failure, as is a step that goes wrong.
//
// The exit status is 1 when something failed. What failures leave is kept under --keep.
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { forgetNativeRuns } from "../test/oracle/differential.js";
import { launcherPath } from "../test/support/launcher.js";
import { buildCases, type CaseSet, chooseCases, type Rounds, runRound, startLoad } from "./rounds.js";
import { leaks, quantities, type Quantity, type Trend, trendOf } from "./soak/measurements.js";
import { reside, type Residence } from "./soak/resident.js";
import { servers } from "./soak/servers.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: "string", default: "2" },
    "no-load": { type: "boolean", default: false },
    only: { type: "string", default: "" },
    set: { type: "string", default: "all" },
    sample: { type: "string", default: "5" },
    keep: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const quantityNames = Object.keys(quantities) as Quantity[];

interface ServerReport {
  name: string;
  steps: Record<string, number>;
  trends: Record<string, { native: Trend | null; flicker: Trend | null }>;
  failures: string[];
}

async function main(): Promise<void> {
  const minutes = Number(positionals[0]);
  if (!(minutes > 0)) {
    console.error("soak: how long? usage: npm run soak -- MINUTES");
    process.exit(2);
  }
  // Only the report is on stdout when a program reads it.
  const report = console.log;
  if (options.json) console.log = console.error;

  const keep = options.keep ?? (await mkdtemp(join(tmpdir(), "flicker-soak-")));
  await mkdir(keep, { recursive: true });
  process.env["FLICKER_TEST_ARTEFACTS"] = keep;
  const pattern = new RegExp(options.only);
  const launcher = await launcherPath();
  const rounds = chooseCases(options.set as CaseSet, pattern, true);
  await buildCases(rounds.cases);
  if (!options["no-load"]) startLoad();

  const end = Date.now() + minutes * 60_000;
  const mayGoOn = (): boolean => Date.now() < end;
  const residences = servers
    .filter(({ name }) => pattern.test(name))
    .flatMap((server) =>
      (["native", "flicker"] as const).map((side) =>
        reside(server, side, launcher, join(keep, server.name, side), Number(options.sample) * 1000, mayGoOn),
      ),
    );
  let whole = 0;
  for (let round = 1; rounds.cases.length > 0 && mayGoOn(); round++) {
    if (await runRound(round, rounds, Number(options.jobs), mayGoOn)) whole++;
  }
  await forgetNativeRuns(rounds.natives);
  const reports = reportsOf(await Promise.all(residences));

  const cases = [...rounds.tallies].map(([name, tally]) => ({ name, ...tally }));
  const failures = [...cases.flatMap((each) => each.failures), ...reports.flatMap((each) => each.failures)];
  if (options.json) report(JSON.stringify({ minutes, wholeRounds: whole, cases, servers: reports }, null, 2));
  else print(minutes, whole, rounds, reports);
  if (failures.length > 0) console.log(`${failures.length} failures; kept in ${keep}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}

/** Brings the two sides of each server together. */
function reportsOf(residences: readonly Residence[]): ServerReport[] {
  const named = (name: string, side: string): Residence =>
    residences.find((residence) => residence.name === name && residence.side === side)!;
  return servers
    .filter(({ name }) => residences.some((residence) => residence.name === name))
    .map(({ name }) => {
      const [native, flicker] = [named(name, "native"), named(name, "flicker")];
      const trends: ServerReport["trends"] = {};
      const failures = [...native.failures, ...flicker.failures];
      for (const quantity of quantityNames) {
        const pair = { native: trendOf(quantity, native.samples), flicker: trendOf(quantity, flicker.samples) };
        trends[quantity] = pair;
        if (leaks(quantity, pair.native, pair.flicker))
          failures.push(`${name}: ${quantity} grow: ${pair.flicker?.first} to ${pair.flicker?.last}`);
      }
      return { name, steps: { native: native.steps, flicker: flicker.steps }, trends, failures };
    });
}

function print(minutes: number, whole: number, rounds: Rounds, reports: readonly ServerReport[]): void {
  console.log(
    `\nServers, ${minutes} minutes (native | Flicker: median of the first and the last third, slope per hour)`,
  );
  for (const { name, steps, trends } of reports) {
    console.log(`${name}: ${steps["native"]} | ${steps["flicker"]} steps`);
    for (const quantity of quantityNames) {
      const { native, flicker } = trends[quantity]!;
      console.log(`  ${`${quantity} ${quantities[quantity].unit}`.padEnd(18)}${told(native)} | ${told(flicker)}`);
    }
  }
  const tallies = [...rounds.tallies];
  const runs = tallies.reduce((sum, [, { passed, failures }]) => sum + passed + failures.length, 0);
  const failed = tallies.filter(([, { failures }]) => failures.length > 0);
  console.log(`\n${tallies.length} cases, ${whole} whole rounds, ${runs} runs`);
  for (const [name, { passed, failures }] of failed)
    console.log(`FAILED ${name}: ${failures.length} of ${passed + failures.length}`);
  for (const failure of reports.flatMap((report) => report.failures)) console.log(`FAILED ${failure}`);
}

function told(trend: Trend | null): string {
  if (!trend) return "too few samples".padEnd(36);
  const perHour = `${trend.perHour >= 0 ? "+" : ""}${trend.perHour.toFixed(0)}/h`;
  return `${String(trend.first).padStart(9)} ${String(trend.last).padStart(9)} ${perHour.padStart(12)}${trend.rises ? " rises" : "      "}`;
}

await main();
