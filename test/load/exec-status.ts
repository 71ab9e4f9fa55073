// What becomes of a file that is executed: natively, through the launcher, and by a program that runs under Flicker.
//
// The third is compared byte for byte with the first. For the second, what execve answers with an error, and what the
// kernel kills because the old program is gone when it finds the fault, is one line and status 126 or 127.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

export interface Fate {
  /** `errno N`, `exit N` or `signal N`. */
  result: string;
  stdout: string;
  stderr: string;
}

function run(command: readonly string[], files: readonly string[]): Fate[] {
  const [program, ...args] = command;
  const result = spawnSync(program as string, [...args, ...files], { encoding: "latin1", maxBuffer: 1 << 26 });
  assert.equal(result.status, 0, `${command.join(" ")}: status ${result.status} ${result.signal}\n${result.stderr}`);
  const lines = result.stdout.split("\n").slice(0, -1);
  assert.equal(lines.length, files.length, result.stdout);
  return lines.map((line) => {
    const [fate, stdout, stderr] = line.split("\t") as [string, string, string];
    return { result: fate, stdout, stderr };
  });
}

export interface Fates {
  natively: Fate;
  /** `flicker run -- FILE`. */
  launched: Fate;
  /** An execve of a program that runs under Flicker. */
  followed: Fate;
}

/** Executes each file in all three ways, or in the first alone. */
export async function executeAll(files: readonly string[]): Promise<Fates[]>;
export async function executeAll(files: readonly string[], how: "natively"): Promise<Pick<Fates, "natively">[]>;
export async function executeAll(files: readonly string[], how?: "natively"): Promise<Partial<Fates>[]> {
  const helper = await buildProgram("exec-status.c", "static");
  const natively = run([helper], files);
  if (how) return natively.map((fate) => ({ natively: fate }));
  const launcher = await launcherPath();
  const launched = run([helper, "--through", launcher], files);
  const followed = run([launcher, "run", "--", helper], files);
  return files.map((_, i) => ({ natively: natively[i]!, launched: launched[i]!, followed: followed[i]! }));
}

const ENOENT = 2;
const oneLine = /^flicker: [^|]+\|$/;

/** Says what is wrong with the fates of a file, or null. */
export function difference({ natively, launched, followed }: Fates): string | null {
  const show = (fate: Fate): string => JSON.stringify(fate);
  if (show(followed) !== show(natively)) return `followed ${show(followed)}, natively ${show(natively)}`;
  if (isNativeStandIn()) return null;
  const refused = natively.result.startsWith("errno ");
  const wanted = refused ? `exit ${natively.result === `errno ${ENOENT}` ? 127 : 126}` : natively.result;
  const isRefusal = launched.stdout === "" && oneLine.test(launched.stderr);
  if (refused) {
    if (launched.result === wanted && isRefusal) return null;
  } else {
    if (show(launched) === show(natively)) return null;
    // Killed by the kernel in the middle of execve, or by its first instruction: only the former has a line.
    if (natively.result === "signal 11" && natively.stdout === "" && launched.result === "exit 126" && isRefusal)
      return null;
  }
  return `launched ${show(launched)}, natively ${show(natively)}`;
}
