// `flicker count`: how often a program executes instructions, by instruction, function or file.

import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Names } from "../host/count/names.js";
import { type SiteCount, countSites } from "../host/count/session.js";
import { packageRoot } from "../host/package-root.js";
import { demangle, loadDemangler } from "../host/symbols.js";
import { alignColumns } from "./columns.js";
import { endAs, writeOutput } from "./event-output.js";
import { EXIT_STATUS_HELP } from "./exit-status.js";
import { warn } from "./message.js";
import { passSignals } from "./pass-signals.js";

const EXAMPLES = `
Examples:
  flicker count -- ls                               the calls made most often
  flicker count --match cond --top 50 -- ./prog     conditional jumps
  flicker count --match mem.write --by function -- sqlite3 db 'select 1'
  flicker count --match 'function == malloc' --json -o f -- make
`;

interface Options {
  readonly match: string;
  readonly by: "site" | "function" | "file";
  readonly top: number;
  readonly json?: true;
  readonly output?: string;
}

interface Row {
  readonly count: bigint;
  readonly file: string;
  /** null: the row stands for a whole file. */
  readonly address: bigint | null;
  readonly function: string | null;
  /** Instructions that it stands for. */
  readonly sites: number;
}

function parseTop(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be a number.");
  return Number(text);
}

/** Rows of what is asked for, the largest first. */
function rowsOf(counts: readonly SiteCount[], by: Options["by"], names: Names): Row[] {
  const rows = new Map<string, Row>();
  for (const { file, address, count } of counts) {
    const name = by === "file" ? null : names.functionAt(file, address);
    // What is in no function is a row of its own.
    const key = by === "file" ? file : by === "function" && name !== null ? `${file}\0${name}` : `${file}\0${address}`;
    const before = rows.get(key);
    rows.set(key, {
      ...{ file, function: name, address: before?.address ?? (by === "file" ? null : address) },
      count: (before?.count ?? 0n) + count,
      sites: (before?.sites ?? 0) + 1,
    });
  }
  return [...rows.values()].sort((a, b) => (a.count < b.count ? 1 : a.count > b.count ? -1 : a.file < b.file ? -1 : 1));
}

function jsonOf({ count, file, address, function: name, sites }: Row, by: Options["by"], names: Names): string {
  return JSON.stringify({
    // Digits where a number of JavaScript's would not be exact.
    count: count <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(count) : count.toString(),
    file,
    ...(by === "site" && { address: `0x${address!.toString(16)}`, text: names.textOf(file, address!) }),
    ...(by !== "file" && { function: name === null ? null : demangle(name) }),
    ...(by !== "site" && { sites }),
  });
}

function linesOf(rows: readonly Row[], { by, top }: Options, names: Names): string[] {
  const shown = rows.slice(0, top);
  const cells = shown.map(({ count, file, address, function: name, sites }) => {
    if (by === "file") return [count.toString(), sites.toString(), file];
    const place = by === "function" && name !== null ? demangle(name) : names.placeOf(file, address!);
    if (by === "function") return [count.toString(), sites.toString(), basename(file), place];
    return [count.toString(), names.textOf(file, address!) ?? "(bad)", basename(file), place];
  });
  const heads = {
    site: ["executions", "instruction", "file", "place"],
    function: ["executions", "sites", "file", "function"],
    file: ["executions", "sites", "file"],
  };
  const total = rows.reduce((sum, { count }) => sum + count, 0n);
  const rest = rows.length - shown.length;
  const what = by === "site" ? "instructions" : `${by}s`;
  return [
    ...(shown.length > 0 ? alignColumns([heads[by], ...cells]) : []),
    `${total} executions in ${rows.length} ${what}${rest > 0 ? `; ${rest} more: --top shows them` : ""}`,
  ];
}

function write(text: string, file: string | undefined): void {
  if (file === undefined) {
    process.stderr.write(text);
    return;
  }
  writeOutput(file, text);
}

async function count(command: readonly string[], options: Options): Promise<void> {
  const run = await passSignals((onStart) => countSites(packageRoot, command, options.match, warn, onStart));
  await loadDemangler();
  const names = new Names();
  const rows = rowsOf(run.counts, options.by, names);
  const lines = options.json
    ? rows.slice(0, options.top).map((row) => jsonOf(row, options.by, names))
    : linesOf(rows, options, names);
  write(lines.map((line) => `${line}\n`).join(""), options.output);
  endAs(run.outcome);
}

export function addCount(program: Command): void {
  program
    .command("count")
    .usage("[OPTIONS] -- PROG [ARGS...]")
    .description("count how often a program executes instructions")
    .option("--match <EXPR>", "which instructions: docs/matching.md", "call")
    .addOption(new Option("--by <WHAT>", "sums by").choices(["site", "function", "file"]).default("site"))
    .option("--top <N>", "so many rows, the largest ones", parseTop, 20)
    .option("--json", "one JSON object a line")
    .option("-o, --output <FILE>", "write to FILE, not to standard error")
    .helpOption("-h, --help", "print this help")
    .argument("<PROG>", "a path, or a name that is looked up in PATH")
    .argument("[ARGS...]", "given to the program as they are")
    .passThroughOptions()
    .addHelpText("after", EXAMPLES + EXIT_STATUS_HELP)
    .action((prog: string, args: readonly string[], options: Options) => count([prog, ...args], options));
}
