// Programs that benchmarks need: C files in bench/programs, built with gcc when first used; and what else is installed.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { packageRoot } from "../src/host/package-root.js";

export const flicker = join(packageRoot, "bin/flicker");

/** The native launcher, as `flicker path` prints it. */
export function launcherPath(): string {
  return execFileSync(flicker, ["path"], { encoding: "utf8" }).trimEnd();
}

const built = new Map<string, string>();
let folder: string | null = null;

/** A folder for what benchmarks make; it is removed when the process ends. */
export function benchFolder(): string {
  if (folder === null) {
    const made = mkdtempSync(join(tmpdir(), "flicker-bench-"));
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}

/** Compiles bench/programs/NAME.c, with more options if given, and gives the executable's path. */
export function buildTarget(name: string, options: readonly string[] = []): string {
  const key = [name, ...options].join(" ");
  const done = built.get(key);
  if (done !== undefined) return done;
  const output = join(benchFolder(), basename(key.replaceAll(" ", "")));
  execFileSync("gcc", ["-O2", ...options, "-o", output, join(packageRoot, "bench/programs", `${name}.c`)], {
    stdio: "inherit",
  });
  built.set(key, output);
  return output;
}

/** Standard output of a command that must succeed. */
export function outputOf(command: readonly string[]): string {
  const [file, ...args] = command;
  if (file === undefined) throw new Error("no command");
  return execFileSync(file, args, { encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "inherit"] });
}

export function isInstalled(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;
}

/** gcc's `cc1`: 33 MB that start in a few milliseconds. */
export function compilerProper(): string {
  return outputOf(["gcc", "-print-prog-name=cc1"]).trimEnd();
}

/** What bench/programs/timed-calls.h calls NOT_PERMITTED. */
const NOT_PERMITTED = 77;

/** Why a peer cannot run here, in its own words; null when it can. */
export function refusalOf(command: readonly string[]): string | null {
  const [file = "", ...args] = command;
  const { status, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status === 0) return null;
  if (status === NOT_PERMITTED) return stderr.trim();
  throw new Error(`${file} ended with status ${status}: ${stderr}`);
}
