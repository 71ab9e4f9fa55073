// Launchers with hooks, for tests: built once for each hook, and kept beside the other test targets.

import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findHookedLauncher } from "../../src/host/hook/hooked-launcher.js";
import { packageRoot } from "../../src/host/package-root.js";

export const hooksFolder = fileURLToPath(new URL("hooks", import.meta.url));
process.env["XDG_CACHE_HOME"] = join(tmpdir(), `flicker-test-hooks-${userInfo().uid}`);

/** The launcher with these hooks of test/hook/hooks, or with files by their paths. */
export async function hookedLauncher(...names: string[]): Promise<string> {
  return instrumentingLauncher(null, names);
}

/** The same with an expression that says which instructions are sites. */
export async function instrumentingLauncher(expression: string | null, names: readonly string[]): Promise<string> {
  const files = names.map((name) => (name.includes("/") ? name : join(hooksFolder, name)));
  const warn = (line: string): never => {
    throw new Error(line);
  };
  return findHookedLauncher(packageRoot, files, warn, expression);
}

/** Runs a program under hooks; gives its outcome, standard output and error as text. */
export async function runHooked(
  hooks: string | readonly string[],
  command: readonly string[],
  environment: Record<string, string> = {},
  options: readonly string[] = [],
  expression: string | null = null,
): Promise<SpawnSyncReturns<string>> {
  const launcher = await instrumentingLauncher(expression, typeof hooks === "string" ? [hooks] : hooks);
  return spawnSync(launcher, ["run", ...options, "--", ...command], {
    encoding: "utf8",
    timeout: 120_000,
    env: { ...process.env, LAUNCHER_NAME: launcher, ...environment },
  });
}

/** The sum of a counter over all its lines. */
export function counted(stderr: string, name: string): number {
  const lines = stderr.matchAll(new RegExp(`\\) \\S+: ${name} (\\d+)$`, "gm"));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}
