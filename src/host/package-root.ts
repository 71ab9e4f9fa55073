// Where Flicker is installed. The same code runs from src/ (tests, through tsx) and from dist/ (the command), which lie
// at different depths, so the folder is found by its package.json and not by counting `..`.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

interface Manifest {
  readonly name: string;
  readonly version: string;
}

function readManifest(folder: string): Manifest | null {
  const file = join(folder, "package.json");
  if (!existsSync(file)) return null;
  return JSON.parse(readFileSync(file, "utf8")) as Manifest;
}

/** The nearest folder at or above `start` whose package.json is Flicker's. */
export function findPackageRoot(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (readManifest(folder)?.name === "flicker") return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json of flicker at or above ${start}`);
  }
}

export const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

export function packageVersion(): string {
  const manifest = readManifest(packageRoot);
  if (manifest === null) throw new Error(`${packageRoot}/package.json is gone`);
  return manifest.version;
}
