// Coverage of source lines as lcov has it (geninfo(1), "FILES"): for `genhtml`, `lcov --summary`, editors and code review.
//
//   TN:
//   SF:/home/me/prog.c
//   FN:5,kind
//   FNDA:3,kind
//   FNF:1
//   FNH:1
//   DA:6,3            line, executions
//   LF:1
//   LH:1
//   end_of_record
//
// A line has been executed as often as the block of it that was executed most often. Where several files have a function of one
// source (a header), their executions are summed up.

import type { Block } from "./blocks.js";
import { type KnownFile, blocksByFunction } from "./coverage.js";
import { readLineTable } from "./line-table.js";
import type { ImageFile } from "./session.js";

/** A source file: executions by line, and by function with the line where that starts. */
export interface Source {
  readonly path: string;
  readonly lines: ReadonlyMap<number, number>;
  readonly functions: ReadonlyMap<string, { readonly line: number; readonly count: number }>;
}

interface OpenSource extends Source {
  readonly lines: Map<number, number>;
  readonly functions: Map<string, { line: number; count: number }>;
}

/** The block that holds an address, or null; of blocks in order. */
function blockAt(blocks: readonly Block[], address: number): Block | null {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (blocks[middle]!.start <= address) low = middle + 1;
    else high = middle;
  }
  const found = blocks[low - 1];
  return found !== undefined && address < found.start + found.size ? found : null;
}

function sourceIn(sources: Map<string, OpenSource>, path: string): OpenSource {
  let source = sources.get(path);
  if (source === undefined) sources.set(path, (source = { path, lines: new Map(), functions: new Map() }));
  return source;
}

/** The sources of one file. */
function sourcesOfFile(known: KnownFile, { counts }: ImageFile): Map<string, OpenSource> {
  const sources = new Map<string, OpenSource>();
  const places = new Map<number, { file: string; line: number }>();
  const { blocks } = known;
  for (const { address, file, line } of readLineTable(known.file)) {
    const block = blockAt(blocks, address);
    // Code that was left out, or that nothing can say of whether it ran.
    if (block === null || block.site === null) continue;
    if (!places.has(address)) places.set(address, { file, line });
    const { lines } = sourceIn(sources, file);
    lines.set(line, Math.max(lines.get(line) ?? 0, counts.get(block.site) ?? 0));
  }
  for (const [symbol, [first]] of blocksByFunction(known)) {
    const place = places.get(first!.start);
    if (symbol === null || place === undefined) continue;
    const count = first!.site === null ? 0 : (counts.get(first!.site) ?? 0);
    sourceIn(sources, place.file).functions.set(symbol, { line: place.line, count });
  }
  return sources;
}

/** The sources of all files that have line information, in order of their paths. */
export function sourcesOf(files: Iterable<{ readonly known: KnownFile; readonly image: ImageFile }>): Source[] {
  const all = new Map<string, OpenSource>();
  for (const { known, image } of files) {
    for (const { path, lines, functions } of sourcesOfFile(known, image).values()) {
      const sum = sourceIn(all, path);
      for (const [line, count] of lines) sum.lines.set(line, (sum.lines.get(line) ?? 0) + count);
      for (const [symbol, { line, count }] of functions)
        sum.functions.set(symbol, { line, count: (sum.functions.get(symbol)?.count ?? 0) + count });
    }
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const executedOf = (counts: Iterable<number>): number => [...counts].filter((count) => count > 0).length;

export const executedLines = ({ lines }: Source): number => executedOf(lines.values());

function recordOf(source: Source): string {
  const { path, lines, functions } = source;
  const named = [...functions].sort(([, a], [, b]) => a.line - b.line);
  return [
    "TN:",
    `SF:${path}`,
    ...named.map(([symbol, { line }]) => `FN:${line},${symbol}`),
    ...named.map(([symbol, { count }]) => `FNDA:${count},${symbol}`),
    `FNF:${functions.size}`,
    `FNH:${executedOf(named.map(([, { count }]) => count))}`,
    ...[...lines].sort(([a], [b]) => a - b).map(([line, count]) => `DA:${line},${count}`),
    `LF:${lines.size}`,
    `LH:${executedLines(source)}`,
    "end_of_record",
    "",
  ].join("\n");
}

export const lcovOf = (sources: readonly Source[]): string => sources.map(recordOf).join("");
