// `npm run bench -- NAME... [--rounds N] [--json]`: runs the named benchmarks and prints a table for each.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { backend } from "./backend.js";
import type { Benchmark, Table } from "./benchmark.js";
import { decoder } from "./decoder.js";
import { exec } from "./exec.js";
import { gate } from "./gate.js";
import { hooks } from "./hooks.js";
import { instructions } from "./instructions.js";
import { churned, engineChurned, jit } from "./jit.js";
import { memory } from "./memory.js";
import { start } from "./start.js";
import { trace } from "./trace.js";

const benchmarks: readonly Benchmark[] = [
  gate,
  start,
  exec,
  trace,
  memory,
  instructions,
  hooks,
  jit,
  churned,
  engineChurned,
  backend,
  decoder,
];

function usage(): never {
  console.error("usage: npm run bench -- NAME... [--rounds N] [--json]\n");
  for (const { name, description } of benchmarks) console.error(`  ${name.padEnd(14)}${description}`);
  process.exit(2);
}

function formatTable({ title, header, rows: body }: Table): string {
  const rows = [header, ...body];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
    )
    .join("\n");
  return title === undefined ? lines : `${title}\n\n${lines}`;
}

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string" }, json: { type: "boolean", default: false } },
  allowPositionals: true,
});
const rounds = values.rounds === undefined ? null : Number(values.rounds);
if (rounds !== null && !(Number.isInteger(rounds) && rounds > 0)) usage();
if (positionals.length === 0) usage();
for (const name of positionals) {
  const benchmark = benchmarks.find((candidate) => candidate.name === name);
  if (benchmark === undefined) usage();
  const report = await benchmark.run({ rounds });
  if (values.json) {
    console.log(JSON.stringify({ name, ...report }));
    continue;
  }
  console.log(`\n${name}: ${benchmark.description}\n\n${report.tables.map(formatTable).join("\n\n")}\n`);
  for (const note of report.notes) console.log(`  ${note}`);
  console.log(`  ${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} processors`);
}
