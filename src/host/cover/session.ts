// A run whose basic blocks are counted, by process image: what each process executed from its start, its fork or an execve on.

import { runCounting } from "../count/session.js";
import type { Outcome } from "../trace/session.js";

/** What an image has executed of a file. */
export interface ImageFile {
  /** What is added to the file's own addresses in the process. */
  readonly bias: bigint;
  /** How often each site was executed, by its address in the file. */
  readonly counts: ReadonlyMap<number, number>;
}

export interface ProcessImage {
  readonly pid: number;
  /** Path of the program. */
  readonly program: string;
  /** By path. */
  readonly files: ReadonlyMap<string, ImageFile>;
}

interface OpenImage extends ProcessImage {
  readonly files: Map<string, { bias: bigint; counts: Map<number, number> }>;
}

interface Line {
  readonly event: string;
  readonly pid: number;
  readonly exe: string;
  readonly file?: string;
  readonly bias?: string;
  readonly counts?: readonly (readonly [address: string, count: number])[];
  readonly instructions?: {
    readonly filesWithoutTable: number;
    readonly unpatched: number;
    readonly refused: number;
  };
}

/**
 * The images that have executed anything, in the order in which they ended. An image says what it has counted since its start, and
 * says so again if an execve failed: the last word counts.
 * @param lines of the statistics, as JSON
 */
export function imagesOf(lines: Iterable<string>): ProcessImage[] {
  const done: ProcessImage[] = [];
  const open = new Map<number, OpenImage>();
  const settle = (pid: number): void => {
    const image = open.get(pid);
    if (image !== undefined) done.push(image);
    open.delete(pid);
  };
  for (const text of lines) {
    if (text === "") continue;
    const { event, pid, exe, file = "", bias = "0x0", counts = [] } = JSON.parse(text) as Line;
    if (event === "start" || event === "fork") settle(pid);
    if (event !== "counts") continue;
    const image: OpenImage = open.get(pid) ?? { pid, program: exe, files: new Map() };
    open.set(pid, image);
    const known = image.files.get(file) ?? { bias: BigInt(bias), counts: new Map<number, number>() };
    image.files.set(file, known);
    for (const [address, count] of counts) known.counts.set(Number(address), count);
  }
  for (const pid of [...open.keys()]) settle(pid);
  return done;
}

/** How a program ended, and what each of its processes executed. */
export interface CoveredRun {
  readonly outcome: Outcome;
  readonly images: readonly ProcessImage[];
  /** Some files have no unwind table: nothing of them is in the images. */
  readonly isIncomplete: boolean;
  /** Blocks that could not be patched, at most, in one image: they may have run unseen. */
  readonly unpatched: number;
}

/** What is missing from the images of a run. */
export function gapsOf(lines: Iterable<string>): Pick<CoveredRun, "isIncomplete" | "unpatched"> {
  let [filesWithoutTable, unpatched] = [0, 0];
  for (const text of lines) {
    const { instructions } = (text === "" ? {} : JSON.parse(text)) as Partial<Line>;
    if (instructions === undefined) continue;
    filesWithoutTable = Math.max(filesWithoutTable, instructions.filesWithoutTable);
    unpatched = Math.max(unpatched, instructions.unpatched + instructions.refused);
  }
  return { isIncomplete: filesWithoutTable > 0, unpatched };
}

/**
 * Runs a program, with the standard descriptors of this process, and says which blocks each of its processes executed.
 * @param files an expression of the matching language for the files that matter; null: all
 * @param onStart gets a function that sends the program a signal
 * @throws MatchError, LauncherError
 */
export async function coverBlocks(
  root: string,
  command: readonly string[],
  files: string | null,
  warn: (line: string) => void,
  onStart?: (kill: (signal: NodeJS.Signals) => void) => void,
): Promise<CoveredRun> {
  const expression = files === null ? "block" : `block and (${files})`;
  const { outcome, lines } = await runCounting(root, command, expression, warn, onStart);
  return { outcome, images: imagesOf(lines), ...gapsOf(lines) };
}
