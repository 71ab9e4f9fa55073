// `flicker inspect`: what Flicker would do with a file, without running it. The engine itself decides (src/host/inspection.ts);
// this file reads the options, and chooses what is printed and where.

import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { SiteView } from "../host/disassembly.js";
import { type ElfFile, ElfError } from "../host/elf-file.js";
import { findFile, findLibraries } from "../host/find-file.js";
import { type Candidate, Inspection } from "../host/inspection.js";
import { TEXTS_OF_A_FILE } from "../host/matching.js";
import { packageRoot } from "../host/package-root.js";
import { type CompiledMatch, compileMatch } from "../match/compile.js";
import {
  fateOf,
  formatMatchOverview,
  formatOverview,
  formatProblems,
  formatSite,
  formatSites,
  formatSummary,
  isProblem,
  type MatchCounts,
  type Overview,
  type Style,
} from "./inspect-report.js";
import { matchFile } from "./inspect-match.js";
import { outputColours } from "./colour.js";
import { STATUS_FAILED } from "./exit-status.js";
import { warn } from "./message.js";

/** Rows that fit a terminal beside the summary. */
const ROWS_ON_TERMINAL = 20;
/** A search that is shorter than this many bytes is over before anybody wonders. */
const PROGRESS_MIN = 8 << 20;
const PROGRESS_EVERY_MS = 100;

const FATES = ["B1", "B2", "T1", "T2", "T3", "B0", "none", "doubtful"];
const ORDERS = ["address", "function", "tactic"] as const;

interface Options {
  readonly json?: true;
  readonly site?: readonly string[];
  readonly libraries?: true;
  readonly all?: true;
  readonly problems?: true;
  readonly tactic?: readonly string[];
  readonly sort: (typeof ORDERS)[number];
  readonly limit?: number;
  readonly match?: string;
}

const EXAMPLES = `
FILE is a path, the name of a program in PATH or of a library (libc.so.6), or
[vdso]. Nothing of it is run or changed.

Examples:
  flicker inspect libc.so.6                 how its system calls are patched
  flicker inspect --libraries bash          a program and what it loads
  flicker inspect --site read libc.so.6     read() before and after
  flicker inspect --site 0xf82ad libc.so.6  by address, as objdump prints it
  flicker inspect --problems /usr/bin/*     what is left to traps, or alone
  flicker inspect --json libc.so.6          for scripts: a line for each FILE
  flicker inspect --match 'store and not stack' bash   instructions of any kind

The language of --match: docs/matching.md.
What tactics and members mean, how a live run differs: docs/inspect.md.

Exit status: 0, or 125 when a FILE cannot be inspected.`;

function parseFates(text: string): string[] {
  const words = text.split(",");
  const unknown = words.find((word) => !FATES.includes(word));
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is none of ${FATES.join(", ")}.`);
  return words;
}

function parseLimit(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("A number of rows is wanted.");
  return Number(text);
}

export function addInspect(program: Command): void {
  program
    .command("inspect")
    .usage("[OPTIONS] FILE...")
    .description("show which system calls a file has, and how each would be patched")
    .option("--json", "print one JSON object for each FILE, one a line")
    .option("--site <PLACE>", "show the code around a site, given by address, function or function+offset", append)
    .option("--libraries", "inspect the libraries that FILE loads, too")
    .option("--problems", "list only what is not patched by a jump")
    .option("--tactic <LIST>", `list only these, of ${FATES.join(",")}`, parseFates)
    .addOption(new Option("--sort <ORDER>", "order of the list").choices(ORDERS).default("address"))
    .option("--limit <N>", `list at most N sites (default: ${ROWS_ON_TERMINAL} on a terminal, else all)`, parseLimit)
    .addOption(
      new Option(
        "--match <EXPR>",
        "list the instructions that an expression means instead (docs/matching.md)",
      ).conflicts(["site", "problems", "tactic", "sort"]),
    )
    .option("--all", "list all sites, and for several files each by itself")
    .argument("<FILE...>", "programs or libraries")
    .addHelpText("after", EXAMPLES)
    .action(async (names: string[], options: Options) => {
      await inspectAll(names, options);
    });
}

function append(value: string, values: readonly string[] = []): string[] {
  return [...values, value];
}

function createStyle(): Style {
  const { bold, dim, green, yellow, red } = outputColours;
  return { bold, dim, good: green, warning: yellow, bad: red };
}

/** Runs `step`; a file that cannot be inspected is one line, and the others go on. */
async function attempt<T>(step: () => T | Promise<T>): Promise<T | null> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    warn(error.message);
    process.exitCode = STATUS_FAILED;
    return null;
  }
}

/** The files that are named, each once, as they are wanted: there may be a thousand. */
async function* openAll(names: readonly string[], withLibraries: boolean): AsyncGenerator<ElfFile> {
  const seen = new Set<string>();
  const missing = (library: string, neededBy: string): void => warn(`${library}, which ${neededBy} needs: not found`);
  for (const name of names) {
    const file = await attempt(() => findFile(name));
    if (file === null) continue;
    const libraries = withLibraries ? await attempt(() => findLibraries(file, missing)) : [];
    for (const each of [file, ...(libraries ?? [])]) {
      if (seen.has(each.path)) continue;
      seen.add(each.path);
      yield each;
    }
  }
}

/** A line on the terminal that says how far a long search is. Gives what takes it away again. */
function showProgress(file: ElfFile): { onProgress?: (part: number) => void; end: () => void } {
  const searched = file.segments.reduce((sum, { executable, fileSize }) => sum + (executable ? fileSize : 0), 0);
  if (!process.stderr.isTTY || searched < PROGRESS_MIN) return { end: () => {} };
  let shownAt = performance.now();
  let isShown = false;
  const room = Math.max(10, (process.stderr.columns || 80) - 20);
  const name = file.path.length > room ? `…${file.path.slice(1 - room)}` : file.path;
  return {
    onProgress: (part) => {
      if (performance.now() - shownAt < PROGRESS_EVERY_MS) return;
      shownAt = performance.now();
      isShown = true;
      process.stderr.write(`\r${name}: ${(100 * part).toFixed(0).padStart(3)} % searched`);
    },
    end: () => {
      if (isShown) process.stderr.write("\r\x1b[K");
    },
  };
}

async function inspectFile(file: ElfFile): Promise<Inspection | null> {
  const { onProgress, end } = showProgress(file);
  try {
    return await attempt(() => Inspection.create(packageRoot, file, onProgress));
  } finally {
    end();
  }
}

/** The candidates that the options ask for, in their order. */
function select(inspection: Inspection, options: Options): Candidate[] {
  const { symbols } = inspection;
  const wanted = inspection.candidates
    .filter(({ verdict }) => verdict !== "interior")
    .filter((candidate) => options.problems === undefined || isProblem(candidate))
    .filter((candidate) => options.tactic === undefined || options.tactic.includes(fateOf(candidate)));
  const byText = (text: (candidate: Candidate) => string): Candidate[] =>
    wanted
      .map((candidate) => ({ candidate, key: text(candidate) }))
      .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
      .map(({ candidate }) => candidate);
  switch (options.sort) {
    case "address":
      return wanted;
    case "function":
      return byText(({ address, function: name }) => name ?? symbols.nameOf(address));
    case "tactic":
      return byText((candidate) => String(FATES.indexOf(fateOf(candidate))));
  }
}

function limitOf(options: Options): number {
  if (options.limit !== undefined) return options.limit;
  return options.all !== undefined || options.json !== undefined || !process.stdout.isTTY ? Infinity : ROWS_ON_TERMINAL;
}

/** vm.max_map_count, or the kernel's default where /proc is not to be had. */
function readMaxMapCount(): number {
  try {
    return Number(readFileSync("/proc/sys/vm/max_map_count", "latin1"));
  } catch {
    return 65530;
  }
}

interface Site {
  readonly candidate: Candidate;
  readonly view: SiteView;
}

async function viewSites(inspection: Inspection, places: readonly string[]): Promise<Site[]> {
  // The disassembler takes 40 ms to load.
  const { viewSite } = await import("../host/disassembly.js");
  const sites: Site[] = [];
  for (const place of places) {
    for (const candidate of (await attempt(() => inspection.find(place))) ?? []) {
      sites.push({ candidate, view: viewSite(inspection, candidate) });
    }
  }
  return sites;
}

/** Addresses are strings: a number of JSON is exact to 2^53 only, and hexadecimal is how they are looked up. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === "bigint") return `0x${member.toString(16)}`;
    return member instanceof Uint8Array ? Buffer.from(member).toString("hex") : member;
  });
}

function jsonOf(inspection: Inspection, listed: readonly Candidate[], sites: readonly Site[] | null): string {
  const { file, summary, searched } = inspection;
  return toJson({
    file: file.path,
    kind: file.kind,
    size: file.bytes.length,
    stripped: !file.hasSymbolTable,
    ...summary,
    maxMapCount: readMaxMapCount(),
    searched,
    ...(sites === null ? { list: listed } : { list: sites.map(({ candidate, view }) => ({ ...candidate, ...view })) }),
  });
}

function printFile(inspection: Inspection, options: Options, style: Style): void {
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  const selected = select(inspection, options);
  const problems = selected.filter(isProblem);
  const sites = selected.filter((candidate) => !isProblem(candidate));
  const limit = limitOf(options);
  const blocks = [
    formatSummary(inspection, readMaxMapCount(), width, style),
    formatProblems(inspection, problems.slice(0, limit), width, style),
    formatSites(inspection, sites.slice(0, limit), sites.length - Math.min(limit, sites.length), width, style),
  ];
  process.stdout.write(blocks.filter((block) => block !== "").join("\n"));
}

/** With --match. */
async function matchAll(names: readonly string[], match: CompiledMatch, options: Options): Promise<void> {
  const style = createStyle();
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  const counts: MatchCounts[] = [];
  const json = options.json !== undefined;
  for await (const file of openAll(names, options.libraries !== undefined)) {
    if (!json && counts.length > 0) process.stdout.write("\n");
    const { onProgress, end } = showProgress(file);
    const listing = { json, limit: limitOf(options), width, style, onProgress };
    try {
      const found = await attempt(() => matchFile(file, match, listing));
      if (found !== null) counts.push(found);
    } finally {
      end();
    }
  }
  if (!json && counts.length > 1) process.stdout.write("\n" + formatMatchOverview(counts, width, style));
}

async function inspectAll(names: readonly string[], options: Options): Promise<void> {
  if (options.match !== undefined) return matchAll(names, compileMatch(options.match, TEXTS_OF_A_FILE), options);
  const style = createStyle();
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  const isOverview = names.length > 1 || options.libraries !== undefined;
  const overview: Overview[] = [];
  let separator = "";
  for await (const file of openAll(names, options.libraries !== undefined)) {
    const inspection = await inspectFile(file);
    if (inspection === null) continue;
    const sites = options.site === undefined ? null : await viewSites(inspection, options.site);
    if (options.json !== undefined) {
      const listed = select(inspection, options).slice(0, limitOf(options));
      process.stdout.write(jsonOf(inspection, listed, sites) + "\n");
    } else if (sites !== null) {
      for (const { candidate, view } of sites) {
        process.stdout.write(separator + formatSite(inspection, candidate, view, width, style));
        separator = "\n";
      }
    } else {
      overview.push({ path: file.path, summary: inspection.summary });
      if (isOverview && options.all === undefined && !select(inspection, options).some(isProblem)) continue;
      process.stdout.write(separator);
      printFile(inspection, options, style);
      separator = "\n";
    }
  }
  if (isOverview && overview.length > 0) process.stdout.write(separator + formatOverview(overview, width, style));
}
