// AssemblyScript -> wasm, the first step of both worlds: the launcher (src/backend) and the engine in Node (tests, inspect).
//
// The engine has no garbage collector, no start function and no growing memory: `--runtime stub` leaves them out unless
// the source asks for them (a `new`, an array literal in a function, a string concatenation, a global initialiser that
// is not constant). What slips in is refused here, by name, before anything is built from it.

import asc from "assemblyscript/asc";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The engine's linear memory in wasm pages of 64 KiB: fixed, never grown (docs/architecture.md). */
export const ENGINE_MEMORY_PAGES = 512;

export class CompileError extends Error {}

/**
 * Compiles one AssemblyScript entry file.
 * @param entry path of the file whose exports become the module's exports
 * @param root folder that paths in messages are relative to
 * @returns the bytes of a wasm module without start function and without memory.grow
 * @throws CompileError with the compiler's own message (file, line, column)
 */
export async function compileAssemblyScript(entry: string, root = process.cwd()): Promise<Uint8Array<ArrayBuffer>> {
  const folder = mkdtempSync(join(tmpdir(), "flicker-asc-"));
  try {
    const wasmFile = join(folder, "module.wasm");
    const messages: string[] = [];
    const stderr = { write: (text: string | Uint8Array): void => void messages.push(String(text)) };
    const { error } = await asc.main(
      [
        entry,
        "--baseDir",
        root,
        "--outFile",
        wasmFile,
        "--runtime",
        "stub",
        "--enable",
        "threads",
        "--initialMemory",
        String(ENGINE_MEMORY_PAGES),
        "--maximumMemory",
        String(ENGINE_MEMORY_PAGES),
        "--use",
        "abort=src/engine/assertion/abort",
        "--optimizeLevel",
        "3",
        "--shrinkLevel",
        "0",
        "--noColors",
        "--debug",
      ],
      { stderr },
    );
    if (error) throw new CompileError(`${entry}: AssemblyScript does not compile:\n${messages.join("")}`);
    return new Uint8Array(readFileSync(wasmFile));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
