// What it costs to have every jump (A1) or every explicit store (A2) of a program and its libraries in a trampoline, with an
// empty hook: the way there and back, nothing else.
//
// Beside it E9Patch 1.0.1 with its empty trampoline and defaults, measured once on a machine with two processors: it is not in
// Debian. It patches files ahead of time, so its run time has no patching in it: from each run here the time of a start
// is taken off, natively and under Flicker. Its sqlite has libsqlite3 patched alone, ours all libraries.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Benchmark, Report, Table } from "./benchmark.js";
import { median } from "./measure.js";
import { measure } from "./memory.js";
import { benchFolder, compilerProper, isInstalled, launcherPath } from "./target.js";

const CLASSES = ["jump", "store"] as const;
type MatchClass = (typeof CLASSES)[number];
type Command = readonly string[];

/** Explicit stores alone: `push` and `call` write memory, too, and E9Patch's figures have neither. */
const EXPRESSIONS: Readonly<Record<MatchClass, string>> = { jump: "jump", store: "store and not (push or call)" };

let path: string | null = null;
/** Asked for once: a start is what is measured. */
const launcher = (): string => (path ??= launcherPath());

const underFlicker = (matchClass: MatchClass, command: Command, options: Command = []): Command => [
  launcher(),
  "run",
  "--match",
  EXPRESSIONS[matchClass],
  ...options,
  "--",
  ...command,
];

/** Milliseconds that a command takes; its input is empty, its output is not looked at. */
function millisecondsOf(command: Command): number {
  const [file = "", ...args] = command;
  const began = process.hrtime.bigint();
  const { status, error } = spawnSync(file, args, { stdio: "ignore" });
  const ended = process.hrtime.bigint();
  if (status !== 0) throw error ?? new Error(`${command.join(" ")} ended with status ${status}`);
  return Number(ended - began) / 1e6;
}

interface Instructions {
  readonly jumps: number;
  readonly B0: number;
  readonly unpatched: number;
  readonly refused: number;
}

/** What the statistics say of the instructions of a command, which is one process. */
function instructionsOf(matchClass: MatchClass, command: Command): Instructions {
  const file = join(benchFolder(), "stats");
  writeFileSync(file, "");
  millisecondsOf(underFlicker(matchClass, command, ["--stats=json", "--stats-file", file]));
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const last = JSON.parse(lines.at(-1) ?? "") as { instructions: Instructions };
  return last.instructions;
}

/** Each waits for its standard input, and ends when that is empty. */
const patched = (): readonly [name: string, command: Command][] => [
  ["cat (libc alone)", ["/bin/cat"]],
  ["bash", ["/bin/bash", "--norc", "-c", "read line; exit 0"]],
  ["perl", ["/usr/bin/perl", "-e", "<STDIN>"]],
  ["sqlite3 (libsqlite3)", ["/usr/bin/sqlite3", "-batch", ":memory:"]],
  ["python3", ["/usr/bin/python3", "-S", "-E", "-c", "import sys; sys.stdin.read()"]],
  ["cc1", [compilerProper(), "-quiet", "-o", "/dev/null", "-"]],
];

async function patchingTable(matchClass: MatchClass, rounds: number): Promise<Table> {
  const rows: string[][] = [];
  for (const [name, command] of patched()) {
    const { jumps, B0, unpatched, refused } = instructionsOf(matchClass, command);
    const sites = jumps + B0 + unpatched + refused;
    const times = Array.from(
      { length: rounds },
      () => millisecondsOf(underFlicker(matchClass, command)) - millisecondsOf(command),
    );
    const usage = await measure(underFlicker(matchClass, command));
    const native = await measure(command);
    rows.push([
      name,
      String(sites),
      `${((100 * jumps) / sites).toFixed(3)} %`,
      String(B0),
      String(unpatched + refused),
      median(times).toFixed(0),
      ((1000 * median(times)) / sites).toFixed(2),
      ((usage.resident - native.resident) / 1024).toFixed(0),
      String(usage.mappings),
    ]);
  }
  return {
    title: `--match '${EXPRESSIONS[matchClass]}': a start`,
    header: ["", "sites", "jumps", "traps", "left", "ms more", "us a site", "MB more", "mappings"],
    rows,
  };
}

interface Workload {
  readonly name: string;
  readonly run: Command;
  /** The same program with nothing to do. */
  readonly start: Command;
  /** E9Patch's ratios. */
  readonly peer?: Readonly<Record<MatchClass, number>>;
}

const TEXT_SIZE = 50_000_000;

/** A file of words, the same each time, that compresses about as well as prose. */
function writeText(size: number): string {
  const file = join(benchFolder(), `text-${size}`);
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const words = Array.from({ length: 4000 }, () =>
    Array.from({ length: 2 + random(9) }, () => String.fromCharCode(97 + random(26))).join(""),
  );
  const lines: string[] = [];
  for (let written = 0; written < size;) {
    const line = Array.from({ length: 12 }, () => words[Math.min(random(4000), random(4000))]).join(" ");
    lines.push(line);
    written += line.length + 1;
  }
  writeFileSync(file, lines.join("\n").slice(0, size));
  return file;
}

const PERL =
  'my %h; for my $i (1..2000000) { my $k = "k" . ($i % 5000); $h{$k} .= chr(65 + $i % 26); $h{$k} = "" if length $h{$k} > 50 }';
const SQL =
  "with recursive c(x) as (select 1 union all select x + 1 from c where x < 2000000) select sum(x * x % 7), count(*) from c;";
const PYTHON = "d = {}\nfor i in range(1500000):\n k = 'k%d' % (i % 5000)\n d[k] = d.get(k, 0) + len(k)";

function workloads(): Workload[] {
  const text = writeText(TEXT_SIZE);
  const short = writeText(TEXT_SIZE / 10);
  const python = ["/usr/bin/python3", "-S", "-E", "-c"];
  return [
    {
      name: "gzip, 50 MB",
      run: ["gzip", "-c", text],
      start: ["gzip", "-c", "/dev/null"],
      peer: { jump: 2.47, store: 1.65 },
    },
    { name: "bzip2, 5 MB", run: ["bzip2", "-c", short], start: ["bzip2", "-c", "/dev/null"] },
    { name: "xz, 5 MB", run: ["xz", "-T1", "-c", short], start: ["xz", "-c", "/dev/null"] },
    { name: "perl", run: ["perl", "-e", PERL], start: ["perl", "-e", "1"], peer: { jump: 5.05, store: 2.51 } },
    {
      name: "sqlite",
      run: ["sqlite3", ":memory:", SQL],
      start: ["sqlite3", ":memory:", "select 1"],
      peer: { jump: 4.71, store: 4.18 },
    },
    { name: "python3", run: [...python, PYTHON], start: [...python, "1"] },
  ].filter(({ run: [file = ""] }) => isInstalled(file));
}

/** Time of a run without that of a start. */
const timeOf = (run: Command, start: Command): number => millisecondsOf(run) - millisecondsOf(start);

function runTable(matchClass: MatchClass, rounds: number): Table {
  const gains: number[] = [];
  const rows = workloads().map(({ name, run, start, peer }) => {
    const ratios = Array.from({ length: rounds }, () => {
      const native = timeOf(run, start);
      return timeOf(underFlicker(matchClass, run), underFlicker(matchClass, start)) / native;
    });
    const ratio = median(ratios);
    const theirs = peer?.[matchClass];
    if (theirs === undefined) return [name, ratio.toFixed(2), "", ""];
    gains.push((theirs - 1) / (ratio - 1));
    return [name, ratio.toFixed(2), theirs.toFixed(2), (gains.at(-1) ?? NaN).toFixed(2)];
  });
  const mean = Math.exp(gains.reduce((sum, gain) => sum + Math.log(gain), 0) / gains.length);
  return {
    title: `--match '${EXPRESSIONS[matchClass]}': run time against native`,
    header: ["", "Flicker", "E9Patch", "(E9Patch - 1) / (Flicker - 1)"],
    rows: [...rows, ["geometric mean", "", "", mean.toFixed(2)]],
  };
}

async function run({ rounds }: { rounds: number | null }): Promise<Report> {
  const count = rounds ?? 5;
  const tables: Table[] = [];
  for (const matchClass of CLASSES) {
    tables.push(await patchingTable(matchClass, count), runTable(matchClass, count));
  }
  return {
    tables,
    notes: [
      `medians of ${count} rounds, native and under Flicker in turns`,
      "E9Patch 1.0.1, jumps: 6.3 s and 84 MB for python3.11 (142,425 sites), 48 s and 477 MB for cc1 (794,500), each without libraries",
    ],
  };
}

export const instructions: Benchmark = {
  name: "instructions",
  description: "every jump, every store in a trampoline",
  run,
};
