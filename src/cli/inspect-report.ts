// What `flicker inspect` prints for people: a summary, tables, and a site's listing. Colour and width are the caller's.

import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";
import type { Drawing, Line, SiteView } from "../host/disassembly.js";
import { type Candidate, type Inspection, type Summary, type Tactic, TACTICS } from "../host/inspection.js";

/** Functions that colour a text, or give it back as it is. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warning(text: string): string;
  bad(text: string): string;
}

const MEANINGS: Readonly<Record<Tactic, string>> = {
  B1: "a jump in its place",
  B2: "pun: the jump ends in the next instruction's bytes",
  T1: "padded pun: the same behind prefixes",
  T2: "the next instruction is evicted",
  T3: "a neighbour is evicted for a second jump",
  B0: "trap: costs a signal each time",
};

const UNITS = ["bytes", "KiB", "MiB", "GiB"];

function formatSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function hex(value: bigint | number): string {
  return value.toString(16);
}

/** Whether a candidate is something to look at: it stays as it is, or costs a signal. */
export function isProblem({ verdict, tactic }: Candidate): boolean {
  return verdict === "doubtful" || (verdict === "site" && (tactic === null || tactic === "B0"));
}

/** What becomes of a candidate, in one word. */
export function fateOf({ verdict, tactic }: Candidate): string {
  if (verdict !== "site") return verdict;
  return tactic ?? "none";
}

function styledFate(candidate: Candidate, style: Style): string {
  const fate = fateOf(candidate);
  if (!isProblem(candidate)) return style.good(fate);
  return fate === "B0" ? style.warning(fate) : style.bad(fate);
}

function placeOf(inspection: Inspection, { address }: Candidate): string {
  return inspection.symbols.nameOf(address);
}

interface Column {
  readonly head: string;
  readonly align?: "left" | "right";
}

/** The end of a path says more than its start. */
function cutFront(path: string, room: number): string {
  return path.length <= room ? path : `…${path.slice(path.length - room + 1)}`;
}

/** How many of each file's instructions are matched. */
export interface MatchCounts {
  readonly path: string;
  readonly instructions: number;
  readonly matched: number;
}

/** One line for each of several files, and their sum. */
export function formatMatchOverview(counts: readonly MatchCounts[], width: number | undefined, style: Style): string {
  const columns: Column[] = [
    { head: "MATCHED", align: "right" },
    { head: "INSTRUCTIONS", align: "right" },
    { head: "FILE" },
  ];
  const sum = (value: (file: MatchCounts) => number): number => counts.reduce((total, file) => total + value(file), 0);
  const total = [sum(({ matched }) => matched), sum(({ instructions }) => instructions)];
  const rows = counts.map(({ matched, instructions, path }) => [String(matched), String(instructions), path]);
  rows.push([...total.map((value) => style.bold(String(value))), "all"]);
  return formatTable(columns, rows, width, style, "cut the front");
}

/** A table without lines. The last column is fitted to what `width` leaves; colour does not count. */
function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
  style: Style,
  fit: "cut the end" | "cut the front" | "wrap" = "cut the end",
): string {
  const visible = (text: string): number => stripVTControlCharacters(text).length;
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...rows.map((row) => visible(row[i] ?? ""))) + 2);
  const left = widths.slice(0, -1).reduce((sum, size) => sum + size, 2);
  const last = widths.length - 1;
  if (width !== undefined && left + widths[last]! > width) widths[last] = Math.max(12, width - left);
  const none =
    "top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid";
  const table = new Table({
    head: columns.map(({ head }) => style.dim(head)),
    colWidths: widths,
    colAligns: columns.map(({ align }) => align ?? "left"),
    chars: { ...Object.fromEntries(none.split(" ").map((name) => [name, ""])), left: "  ", middle: "" },
    style: { "padding-left": 0, "padding-right": 2, head: [], border: [] },
    wordWrap: fit === "wrap",
  });
  const fitted = (cell: string): string => (fit === "cut the front" ? cutFront(cell, widths[last]! - 2) : cell);
  table.push(...rows.map((row) => [...row.slice(0, -1), fitted(row[last]!)]));
  return trimLines(table.toString());
}

function trimLines(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trimEnd() + "\n")
    .join("");
}

const SITE_COLUMNS: readonly Column[] = [
  { head: "ADDRESS", align: "right" },
  { head: "OFFSET", align: "right" },
  { head: "TACTIC" },
  { head: "FUNCTION" },
];

function siteRow(inspection: Inspection, candidate: Candidate, style: Style): string[] {
  const { address, offset } = candidate;
  return [hex(address), hex(offset), styledFate(candidate, style), placeOf(inspection, candidate)];
}

/** A table of sites; `hidden` of them are not in it. */
export function formatSites(
  inspection: Inspection,
  sites: readonly Candidate[],
  hidden: number,
  width: number | undefined,
  style: Style,
): string {
  if (sites.length === 0) return "";
  const rows = sites.map((site) => siteRow(inspection, site, style));
  const more = hidden > 0 ? `  ${style.dim(`${hidden} more: --all shows them`)}\n` : "";
  return formatTable(SITE_COLUMNS, rows, width, style) + more;
}

/** Candidates that are not patched by a jump, each with the reason. */
export function formatProblems(
  inspection: Inspection,
  problems: readonly Candidate[],
  width: number | undefined,
  style: Style,
): string {
  if (problems.length === 0) return "";
  const why = ({ reason, tactic }: Candidate): string => reason ?? (tactic === "B0" ? "no jump fits" : "nothing fits");
  const rows = problems.map((site) => {
    const [address, offset, fate] = siteRow(inspection, site, style) as [string, string, string];
    return [address, offset, fate, `${placeOf(inspection, site)}: ${why(site)}`];
  });
  return formatTable([...SITE_COLUMNS.slice(0, 3), { head: "FUNCTION, REASON" }], rows, width, style, "wrap");
}

/** `text` broken at spaces, each line but the first indented. */
function wrapText(text: string, indent: number, width: number | undefined): string {
  if (width === undefined) return text;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}

function formatFates({ summary }: Inspection, style: Style): string[] {
  const lines = TACTICS.filter((tactic) => summary.tactics[tactic] > 0).map((tactic) => {
    const name = tactic === "B0" ? style.warning(tactic) : style.good(tactic);
    return `  ${name} ${String(summary.tactics[tactic]).padStart(6)}  ${MEANINGS[tactic]}`;
  });
  if (summary.unpatched > 0) {
    lines.push(`  ${style.bad("none")} ${String(summary.unpatched).padStart(4)}  left as they are: nothing fits`);
  }
  return lines;
}

/** What is in a file and what becomes of it. */
export function formatSummary(
  inspection: Inspection,
  maxMapCount: number,
  width: number | undefined,
  style: Style,
): string {
  const { file, summary, searched } = inspection;
  const lines: string[] = [];
  const add = (name: string, text: string): void => {
    lines.push(`  ${name.padEnd(13)} ${wrapText(text, 16, width)}`);
  };
  const names = file.hasSymbolTable ? "" : ", stripped";
  lines.push(style.bold(file.path));
  add("kind", `${file.kind}, ${formatSize(file.bytes.length)}${names}`);
  const places = searched.map(({ name }) => name).join(" ");
  add(
    "searched",
    `${formatSize(summary.searchedBytes)} of ${formatSize(summary.executableBytes)} executable: ${places}`,
  );
  const code = summary.sites - summary.doubtful;
  add(
    "candidates",
    `${summary.candidates}: ${plural(code, "system call")}, ${summary.interior} inside other instructions, ${summary.doubtful} doubtful`,
  );
  if (code > 0) {
    add("patched", `${summary.patched} of ${code}`);
    lines.push(...formatFates(inspection, style).map((line) => `              ${line}`));
  }
  const { count, codeBytes, pages } = summary.trampolines;
  if (count > 0) {
    const reserved = formatSize(summary.trampolines.reservedBytes);
    add(
      "memory",
      `${plural(count, "trampoline")} of ${formatSize(codeBytes)} on ${plural(pages, "page")} (${reserved} of address space); ` +
        `${plural(summary.copiedPages, "page")} of the file copied`,
    );
    const percent = Math.max(0.01, (100 * summary.addedMappings) / maxMapCount);
    add(
      "mappings",
      `${summary.addedMappings} more than natively: ${percent.toFixed(2)} % of vm.max_map_count (${maxMapCount})`,
    );
  }
  if (code === 0) {
    const hint = file.needed.length > 0 ? "its libraries make its system calls (--libraries)" : "it makes none itself";
    add("", hint);
  }
  return lines.join("\n") + "\n";
}

/** What the overview needs of an inspection. */
export interface Overview {
  readonly path: string;
  readonly summary: Summary;
}

/** One line for each of several files, and their sum. */
export function formatOverview(inspections: readonly Overview[], width: number | undefined, style: Style): string {
  const shown = TACTICS.filter((tactic) => inspections.some(({ summary }) => summary.tactics[tactic] > 0));
  const columns: Column[] = [
    { head: "SITES", align: "right" },
    ...shown.map((head): Column => ({ head, align: "right" })),
    { head: "NONE", align: "right" },
    { head: "DOUBTFUL", align: "right" },
    { head: "MAPPINGS", align: "right" },
    { head: "FILE" },
  ];
  const numbers = inspections.map(({ summary }) => [
    summary.sites,
    ...shown.map((tactic) => summary.tactics[tactic]),
    summary.unpatched,
    summary.doubtful,
    summary.addedMappings,
  ]);
  const total = numbers[0]!.map((_, i) => numbers.reduce((sum, row) => sum + row[i]!, 0));
  const rows = numbers.map((row, i) => [...row.map(String), inspections[i]!.path]);
  rows.push([...total.map((value) => style.bold(String(value))), "all"]);
  return formatTable(columns, rows, width, style, "cut the front");
}

const BYTES_SHOWN = 8;

function formatBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function formatLine(line: Line, isTrampoline: boolean, width: number | undefined, style: Style): string[] {
  const marks = { site: ">", evicted: "*", relay: "+" };
  const mark = line.mark === null ? " " : marks[line.mark];
  const address = hex(line.address).padStart(isTrampoline ? 12 : 8);
  const bytes = formatBytes(line.bytes.subarray(0, BYTES_SHOWN)).padEnd(3 * BYTES_SHOWN - 1);
  const start = `${mark} ${address}  ${bytes}  `;
  const text = line.comment === "" ? line.text : `${line.text.padEnd(24)}  # ${line.comment}`;
  const cut =
    width !== undefined && start.length + text.length > width ? `${text.slice(0, width - start.length - 1)}…` : text;
  const shown = line.mark === "site" ? style.bold(start + cut) : start + cut;
  const rest = line.bytes.subarray(BYTES_SHOWN);
  return rest.length === 0 ? [shown] : [shown, `${" ".repeat(address.length + 4)}${formatBytes(rest)}`];
}

function formatDrawing({ address, before, after, locks }: Drawing, style: Style): string[] {
  const start = hex(address).padStart(10);
  const indent = " ".repeat(10);
  const marked = Array.from(locks, (lock) => lock.repeat(2)).join(" ");
  return [
    `${start}  before  ${formatBytes(before)}`,
    `${indent}  after   ${formatBytes(after)}`,
    `${indent}          ${style.dim(marked)}`,
  ];
}

const TACTIC_NAMES: Readonly<Record<string, string>> = {
  doubtful: "doubtful: left as it is",
  interior: "no site: the bytes are inside another instruction",
  none: "not patched: nothing fits",
};

/** One candidate with its code before and after. */
export function formatSite(
  inspection: Inspection,
  candidate: Candidate,
  view: SiteView,
  width: number | undefined,
  style: Style,
): string {
  const fate = fateOf(candidate);
  const meaning = candidate.tactic === null ? TACTIC_NAMES[fate] : `${fate}, ${MEANINGS[candidate.tactic]}`;
  const where = `${hex(candidate.address)} (file offset ${hex(candidate.offset)})`;
  const out = [style.bold(`${placeOf(inspection, candidate)} at ${where}`), `  ${meaning}`];
  if (candidate.reason !== null) out.push(`  ${wrapText(candidate.reason, 2, width)}`);
  const add = (title: string, lines: readonly Line[], isTrampoline: boolean): void => {
    out.push("", style.dim(title), ...lines.flatMap((line) => formatLine(line, isTrampoline, width, style)));
  };
  const isPatched = candidate.tactic !== null;
  add(isPatched ? "before" : "code", view.before, false);
  if (!isPatched) return out.join("\n") + "\n";
  add("after (> site, * evicted instruction, + jump inside of it)", view.after, false);
  if (view.drawings.length > 0) {
    out.push("", style.dim("bytes (ww written, == kept, since a jump depends on it)"));
    for (const drawing of view.drawings) out.push(...formatDrawing(drawing, style));
  }
  for (const { title, lines } of view.trampolines) add(title, lines, true);
  if (inspection.bias !== 0n) {
    out.push(
      "",
      style.dim(`trampolines as if the file were mapped at ${hex(inspection.bias)}: a run chooses the place`),
    );
  }
  return out.join("\n") + "\n";
}
