// From a user's file to a hook that can be linked: TypeScript (AssemblyScript) through asc, or a .wasm of any origin.

import asc from "assemblyscript/asc";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { Hook } from "../../backend/build-launcher.js";
import { readModule } from "../../backend/wasm/reader.js";
import { CallGraph } from "./call-graph.js";
import { HookError } from "./error.js";
import { ENTRY_NAMES, prepareHook } from "./prepare.js";
import { SourceMap } from "./source-map.js";

/** What the file is called in messages: its name, since paths are long. */
const titleOf = (file: string): string => basename(file);

/**
 * @param sdk the folder that `flicker/hook` is in
 * @throws HookError with the compiler's messages, or one line
 */
export async function compileHook(file: string, sdk: string): Promise<Hook> {
  const title = titleOf(file);
  if (file.endsWith(".wasm")) return prepareHook(readWasm(file), title, () => null);
  const { wasm, map } = await compile(file, sdk, 3);
  const hook = prepareHook(wasm, title, (offset) => map.placeOf(offset));
  const usesAllocator = new CallGraph(hook.module);
  const roots = hook.module.exports.map(({ index }) => index);
  if (roots.some((root) => usesAllocator.growsMemory(root))) await failForAllocation(file, sdk);
  return hook;
}

function readWasm(file: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (error) {
    throw new HookError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function compile(
  file: string,
  sdk: string,
  optimisation: number,
): Promise<{ wasm: Uint8Array<ArrayBuffer>; map: SourceMap }> {
  const folder = mkdtempSync(join(tmpdir(), "flicker-hook-"));
  try {
    const output = join(folder, "hook.wasm");
    const messages: string[] = [];
    const stderr = { write: (text: string | Uint8Array): void => void messages.push(String(text)) };
    const path = resolve(file);
    const options = [
      ...[basename(path), "--baseDir", dirname(path), "--lib", sdk, "--outFile", output, "--runtime", "stub"],
      ...["--enable", "threads", "--initialMemory", "1", "--maximumMemory", "256", "--sourceMap", "--debug"],
      ...["--optimizeLevel", String(optimisation), "--shrinkLevel", "0", "--noColors"],
    ];
    const { error } = await asc.main(options, { stderr });
    if (error) throw new HookError(`${file} does not compile:\n${messages.join("").trimEnd()}`);
    const map = SourceMap.parse(readFileSync(`${output}.map`, "utf8"));
    return { wasm: new Uint8Array(readFileSync(output)), map };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compiles once more without inlining, where calls are still those of the source, and names the first that allocates. */
async function failForAllocation(file: string, sdk: string): Promise<never> {
  const { wasm, map } = await compile(file, sdk, 0);
  const graph = new CallGraph(readModule(wasm));
  const entries = graph.module.exports.filter(({ name }) => ENTRY_NAMES.includes(name));
  const isLibrary = (index: number): boolean => graph.nameOf(index).startsWith("~lib/");
  for (const index of graph.reachedFrom(entries.map((entry) => entry.index))) {
    if (graph.isImport(index) || isLibrary(index)) continue;
    for (const { callee, place } of graph.callsOf(index)) {
      if (!isLibrary(callee) || !graph.growsMemory(callee)) continue;
      throw new HookError(
        `${map.userPlaceOf(place) ?? titleOf(file)}: memory is allocated while the program runs; make it at the top of the file`,
      );
    }
  }
  throw new HookError(`${titleOf(file)}: memory is allocated while the program runs`);
}
