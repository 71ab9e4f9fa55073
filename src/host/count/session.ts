// A run under --count-sites, and what its statistics say: how often each instruction was executed, over all processes.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findHookedLauncher } from "../hook/hooked-launcher.js";
import type { Outcome } from "../trace/session.js";

/** An instruction that was executed. */
export interface SiteCount {
  /** Path of the file that it is from. */
  readonly file: string;
  /** Where it is there, as objdump prints it. */
  readonly address: bigint;
  readonly count: bigint;
}

interface Line {
  readonly event: string;
  readonly pid: number;
  readonly file?: string;
  readonly counts?: readonly (readonly [address: string, count: number])[];
}

type ByAddress = Map<string, bigint>;
type ByFile = Map<string, ByAddress>;

/** The value of a key, which is made if there is none. */
function known<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let found = map.get(key);
  if (found === undefined) map.set(key, (found = make()));
  return found;
}

/**
 * Adds the counts of all process images up. An image says what it has counted since its start, and says so again if an execve
 * failed: the last word counts.
 * @param lines of the statistics, as JSON
 */
export function sumCounts(lines: Iterable<string>): SiteCount[] {
  const totals: ByFile = new Map();
  const images = new Map<number, ByFile>();
  const settle = (pid: number): void => {
    for (const [file, counts] of images.get(pid) ?? []) {
      const total = known(totals, file, () => new Map<string, bigint>());
      for (const [address, count] of counts) total.set(address, (total.get(address) ?? 0n) + count);
    }
    images.delete(pid);
  };
  for (const text of lines) {
    if (text === "") continue;
    const { event, pid, file = "", counts = [] } = JSON.parse(text) as Line;
    if (event === "start" || event === "fork") settle(pid);
    if (event !== "counts") continue;
    const image = known(images, pid, () => new Map<string, ByAddress>());
    const said = known(image, file, () => new Map<string, bigint>());
    for (const [address, count] of counts) said.set(address, BigInt(count));
  }
  for (const pid of [...images.keys()]) settle(pid);
  return [...totals].flatMap(([file, counts]) =>
    [...counts].map(([address, count]) => ({ file, address: BigInt(address), count })),
  );
}

/**
 * Runs a program under --count-sites, with the standard descriptors of this process.
 * @returns how it ended, and the lines of its statistics
 * @throws MatchError, LauncherError
 */
export async function runCounting(
  root: string,
  command: readonly string[],
  expression: string,
  warn: (line: string) => void,
  onStart: (kill: (signal: NodeJS.Signals) => void) => void = () => undefined,
): Promise<{ outcome: Outcome; lines: string[] }> {
  const launcher = await findHookedLauncher(root, [], warn, expression);
  const folder = mkdtempSync(join(tmpdir(), "flicker-count-"));
  try {
    const statistics = join(folder, "statistics");
    const options = ["run", "--count-sites", "--stats=json", `--stats-file=${statistics}`, "--", ...command];
    const child = spawn(launcher, options, { stdio: "inherit" });
    onStart((signal) => void child.kill(signal));
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      child.on("error", reject);
      child.on("exit", (status, signal) => resolve({ status, signal }));
    });
    return { outcome, lines: readLines(statistics) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Runs a program and counts the instructions that an expression names.
 * @param onStart gets a function that sends the program a signal
 * @throws MatchError, LauncherError
 */
export async function countSites(
  root: string,
  command: readonly string[],
  expression: string,
  warn: (line: string) => void,
  onStart?: (kill: (signal: NodeJS.Signals) => void) => void,
): Promise<{ outcome: Outcome; counts: SiteCount[] }> {
  const { outcome, lines } = await runCounting(root, command, expression, warn, onStart);
  return { outcome, counts: sumCounts(lines) };
}

/** A program that could not be started has said nothing. */
function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
