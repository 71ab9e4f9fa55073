// Where the native launcher is, for commands that need it and for bin/flicker when it is missing.

import { existsSync } from "node:fs";
import { compileLauncher } from "./build.js";
import { isIntact, LauncherCache, sha256 } from "./cache.js";
import { hashInputs, productsOf } from "./products.js";

/** A launcher that cannot be had, as one line for the user. */
export class LauncherError extends Error {}

async function compile(root: string): Promise<Uint8Array> {
  try {
    return (await compileLauncher(root)).launcher;
  } catch (error) {
    throw new LauncherError(`the launcher cannot be built: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The path of the launcher without hooks: the installation's, else one built into the user's cache (an installation
 * that cannot be written to, a file that somebody removed).
 * @param warn gets one line when the cache cannot be used
 */
export async function findLauncher(
  root: string,
  warn: (line: string) => void,
  build: (root: string) => Promise<Uint8Array> = compile,
  openCache: (warn: (line: string) => void) => LauncherCache = (line) => LauncherCache.open(line),
): Promise<string> {
  const { launcher, hash } = productsOf(root);
  if (isIntact(launcher, hash)) return launcher;
  if (existsSync(launcher)) {
    // Never replaced in silence: an executable that changed is for the user to look at.
    throw new LauncherError(`${launcher} is not what was built; run npm run build in ${root}`);
  }
  const key = sha256(`default\0${hashInputs(root)}`);
  return openCache(warn).findOrStore(key, () => build(root));
}
