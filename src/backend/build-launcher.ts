// The last step of a build: gates and compiled engine, linked into one executable file.

import { linkLauncher } from "./elf/launcher-image.js";
import { readModule } from "./wasm/reader.js";
import { Assembler } from "./x64/assembler.js";
import { ENGINE_OPTIONS, compileModule } from "./x64/compile.js";

/**
 * @param wasm the engine, from compile-assemblyscript.ts
 * @param emitGates writes the hand-written machine code: at least `_start`. It reaches the engine through the symbols
 *   `engine.F` of exported functions (x64/compile.ts) and linear memory through `memory`.
 * @returns the bytes of an ELF executable
 * @throws WasmError for a module that the backend refuses, LinkError for a symbol that nobody defines
 */
export function buildLauncher(
  wasm: Uint8Array,
  emitGates: (assembler: Assembler) => void,
  options = ENGINE_OPTIONS,
): Uint8Array {
  const assembler = new Assembler();
  emitGates(assembler);
  assembler.section("text");
  assembler.align(16);
  const memory = compileModule(assembler, readModule(wasm), options);
  return linkLauncher(assembler, memory);
}
