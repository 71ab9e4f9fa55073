// The build: the engine's AssemblyScript -> engine.wasm -> the launcher, a static ELF.
//
// It takes seconds, so it is skipped when its inputs are unchanged: `npm ci` builds, the first `npx flicker` runs
// `prepare` once more, `npm test` builds first. Two builds at once are harmless: each file appears whole, and both write
// the same.

import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import * as trampoline from "../abi/syscall-trampoline.js";
import * as block from "../abi/thread-block.js";
import { sha256 } from "./cache.js";
import { hashInputs, isUpToDate, productsOf } from "./products.js";
import { writeAtomically } from "./write-atomically.js";

export interface Executable {
  readonly wasm: Uint8Array;
  readonly launcher: Uint8Array;
  readonly debuggerScript: string;
}

/**
 * Compiles the launcher without hooks from the sources under `root`.
 * @throws CompileError of the AssemblyScript compiler, or the backend's errors
 */
export async function compileLauncher(root: string): Promise<Executable> {
  // The compilers take longer to load than it takes to see that nothing has to be built.
  const { compileAssemblyScript } = await import("../backend/compile-assemblyscript.js");
  const { buildLauncher } = await import("../backend/build-launcher.js");
  const { emitGates } = await import("../backend/gates/index.js");
  const wasm = await compileAssemblyScript(join(root, "src/engine/main.ts"), root);
  return { wasm, launcher: buildLauncher(wasm, emitGates), debuggerScript: fillInScript(root) };
}

/** The script for gdb: src/debugger/flicker-gdb.py with the numbers of src/abi in it. */
function fillInScript(root: string): string {
  const numbers = new Map<string, number>(Object.entries({ ...block, ...trampoline }));
  const source = readFileSync(join(root, "src/debugger/flicker-gdb.py"), "utf8");
  return source.replaceAll(/@([A-Z]\w*)@/g, (_, name: string) => {
    const value = numbers.get(name);
    if (value === undefined) throw new Error(`src/debugger/flicker-gdb.py: src/abi has no ${name}`);
    return String(value);
  });
}

export interface BuildResult {
  readonly launcher: string;
  /** In bytes. */
  readonly size: number;
  /** Whether anything had to be done. */
  readonly isNew: boolean;
}

/** Builds into `root`/dist, unless that is up to date. */
export async function buildProducts(root: string, compile = compileLauncher): Promise<BuildResult> {
  const products = productsOf(root);
  // Taken before the sources are read: a file that is saved meanwhile makes the next build do its work again.
  const inputs = hashInputs(root);
  if (isUpToDate(products, inputs)) {
    return { launcher: products.launcher, size: statSync(products.launcher).size, isNew: false };
  }
  const { wasm, launcher, debuggerScript } = await compile(root);
  mkdirSync(join(root, "dist"), { recursive: true });
  writeAtomically(products.wasm, wasm);
  writeAtomically(products.launcher, launcher, 0o755);
  writeAtomically(products.debuggerScript, debuggerScript);
  writeAtomically(products.hash, `${sha256(launcher)}\n`);
  writeAtomically(products.inputs, `${inputs}\n`);
  return { launcher: products.launcher, size: launcher.length, isNew: true };
}
