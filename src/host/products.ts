// What the build makes, and whether it is up to date. Nothing of the compilers is loaded here: `flicker path` is to take
// as long as Node takes to start.
//
//   dist/engine.wasm       the engine for Node (tests, later `flicker inspect`)
//   dist/launcher          the executable that runs programs
//   dist/launcher.sha256   its content's hash
//   dist/flicker-gdb.py    what gdb has to know of programs under Flicker (docs/debugging.md)
//   dist/launcher.inputs   the hash of everything it was made from, written last

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { isIntact } from "./cache.js";

/** Folders and files whose content decides what comes out. The compilers' versions stand for the compilers. */
const LAUNCHER_INPUTS = [
  "src/abi",
  "src/backend",
  "src/debugger",
  "src/engine",
  "src/host/build.ts",
  "node_modules/assemblyscript/package.json",
  "node_modules/binaryen/package.json",
];

export interface Products {
  readonly launcher: string;
  readonly hash: string;
  readonly inputs: string;
  readonly wasm: string;
  readonly debuggerScript: string;
}

export function productsOf(root: string): Products {
  const launcher = join(root, "dist/launcher");
  return {
    launcher,
    hash: `${launcher}.sha256`,
    inputs: `${launcher}.inputs`,
    wasm: join(root, "dist/engine.wasm"),
    debuggerScript: join(root, "dist/flicker-gdb.py"),
  };
}

/** Files at or under `path`, always in the same order; none where it is missing. */
function filesUnder(path: string): string[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/** One hash over the names and contents of all inputs. */
export function hashInputs(root: string, inputs: readonly string[] = LAUNCHER_INPUTS): string {
  const hash = createHash("sha256");
  for (const file of inputs.flatMap((input) => filesUnder(join(root, input)))) {
    const content = readFileSync(file);
    hash.update(`${relative(root, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** Whether the products were made from inputs with this hash, and are as they were made. */
export function isUpToDate(products: Products, inputs: string): boolean {
  if (!existsSync(products.inputs) || readFileSync(products.inputs, "utf8").trim() !== inputs) return false;
  return existsSync(products.wasm) && existsSync(products.debuggerScript) && isIntact(products.launcher, products.hash);
}
