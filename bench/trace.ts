// What tracing costs: `flicker trace` against strace, from the command's start to its end, with all that is said thrown away.
//
// The figure to look at is (ratio - 1): what the tracer adds. Both say every call; neither loses any.

import { spawnSync } from "node:child_process";
import type { Benchmark, Report, Table } from "./benchmark.js";
import { interleave, timeTable, type Result } from "./measure.js";
import { buildTarget, isInstalled, launcherPath } from "./target.js";

const READS = 200_000;
const FOLDER = "/usr";

function seconds(command: readonly string[]): number {
  const start = performance.now();
  const { status, error } = spawnSync(command[0]!, command.slice(1), { stdio: "ignore" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command.join(" ")} ends with status ${status}`);
  return (performance.now() - start) / 1000;
}

function tableOf(title: string, results: readonly Result[]): Table {
  const table = timeTable("s", results);
  const strace = results.find(({ name }) => name === "strace");
  const share = ({ name, ratio }: Result): string =>
    strace === undefined || !name.startsWith("flicker")
      ? ""
      : `${((100 * (ratio - 1)) / (strace.ratio - 1)).toFixed(1)} %`;
  return {
    title,
    header: [...table.header, "of what strace adds"],
    rows: table.rows.map((row, index) => [...row, share(results[index]!)]),
  };
}

function run({ rounds }: { rounds: number | null }): Report {
  const launcher = launcherPath();
  const count = rounds ?? 5;
  const hasStrace = isInstalled("strace");
  const variants = (command: readonly string[]): Result[] =>
    interleave(
      [
        { name: "native", measure: () => seconds(command) },
        { name: "flicker run", measure: () => seconds([launcher, "run", "--", ...command]) },
        {
          name: "flicker trace -e none",
          measure: () => seconds([launcher, "trace", "-o", "/dev/null", "-e", "none", "--", ...command]),
        },
        {
          name: "flicker trace -c",
          measure: () => seconds([launcher, "trace", "-o", "/dev/null", "-c", "--", ...command]),
        },
        { name: "flicker trace", measure: () => seconds([launcher, "trace", "-o", "/dev/null", "--", ...command]) },
        ...(hasStrace ? [{ name: "strace", measure: () => seconds(["strace", "-o", "/dev/null", ...command]) }] : []),
      ],
      count,
    );
  return {
    tables: [
      tableOf(`${READS} times read`, variants([buildTarget("read-loop"), String(READS)])),
      tableOf(`find ${FOLDER}`, variants(["find", FOLDER])),
    ],
    notes: [
      `${count} interleaved rounds of whole commands, the start of Node and the reading of the trace with them`,
      ...(hasStrace ? [] : ["strace is not installed"]),
    ],
  };
}

export const trace: Benchmark = { name: "trace", description: "flicker trace against strace", run };
