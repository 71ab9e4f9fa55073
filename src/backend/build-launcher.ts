// The last step of a build: gates, compiled engine and compiled hooks, linked into one executable file.

import { linkLauncher } from "./elf/launcher-image.js";
import { emitHookTable, type CompiledHook, type HookDescription } from "./hook-table.js";
import type { Module } from "./wasm/module.js";
import { readModule } from "./wasm/reader.js";
import { Assembler, r15, rip } from "./x64/assembler.js";
import { ENGINE_OPTIONS, compileModule, namesOf, type CompileOptions, type LinkedImport } from "./x64/compile.js";

/**
 * Hooks are anybody's code: each access to their memory is checked. They touch no vector register, since the program's
 * are not saved on the way into the engine.
 */
export const HOOK_OPTIONS: CompileOptions = { floats: "refuse", memoryGrow: "refuse", bounds: "check" };

/** The module that a hook's imports are from. */
export const HOOK_IMPORTS = "flicker";

/** The engine's export that answers an import. AssemblyScript's own assertions go to `env.abort`. */
function answerOf(from: string, name: string): string | null {
  if (from === "env" && name === "abort") return "hookAbort";
  return from === HOOK_IMPORTS ? `hook${name.charAt(0).toUpperCase()}${name.slice(1)}` : null;
}

/** A hook that is ready to be compiled: nothing runs before its exports are called. */
export interface Hook extends HookDescription {
  readonly module: Module;
  /** It is called in front of instructions, and leaves it to `--match` which ones. */
  readonly waitsForMatch: boolean;
  /** Whether code that can run calls this import. */
  usesImport(module: string, name: string): boolean;
  /**
   * Refuses a hook that takes too much stack.
   * @param frames bytes that each function takes, by index
   */
  checkStack(frames: ReadonlyMap<number, number>): void;
}

/**
 * @param wasm the engine, from compile-assemblyscript.ts
 * @param emitGates writes the hand-written machine code: at least `_start`. It reaches the engine through the symbols
 *   `engine.F` of exported functions (x64/compile.ts) and linear memory through `memory`.
 * @param hooks in the order in which they see a system call
 * @returns the bytes of an ELF executable
 * @throws WasmError for a module that the backend refuses, LinkError for a symbol that nobody defines
 */
export function buildLauncher(
  wasm: Uint8Array,
  emitGates: (assembler: Assembler) => void,
  options = ENGINE_OPTIONS,
  hooks: readonly Hook[] = [],
): Uint8Array {
  const assembler = new Assembler();
  emitGates(assembler);
  assembler.section("text");
  assembler.align(16);
  const engine = compileModule(assembler, readModule(wasm), options);
  const bridges = new Bridges(engine.functions);
  const compiled = hooks.map((hook, i): CompiledHook => {
    const symbol = `hook${i + 1}`;
    const unused = (from: string, name: string): LinkedImport | null => {
      const type = hook.module.imports.find((one) => one.module === from && one.name === name)?.type ?? null;
      return type === null || hook.usesImport(from, name) ? null : { type, symbol: "nothing calls this" };
    };
    const imported = (from: string, name: string) => bridges.to(from, name) ?? unused(from, name);
    const linked = { names: namesOf(symbol), imported };
    const isExclusive = hook.module.globals.some(({ mutable }) => mutable);
    const module = compileModule(assembler, hook.module, HOOK_OPTIONS, linked);
    hook.checkStack(module.frames);
    return { ...hook, symbol, isExclusive, compiled: module };
  });
  bridges.emit(assembler);
  emitHookTable(assembler, compiled);
  return linkLauncher(assembler, [...compiled.map(({ compiled: module }) => module), engine]);
}

/** Ways from a hook's code to functions of the engine's: r15 becomes the engine's memory, and the hook's again. */
class Bridges {
  private readonly used = new Map<string, LinkedImport>();

  constructor(private readonly engine: ReadonlyMap<string, LinkedImport>) {}

  to(from: string, name: string): LinkedImport | null {
    const wanted = answerOf(from, name);
    const answer = wanted === null ? undefined : this.engine.get(wanted);
    if (answer === undefined) return null;
    this.used.set(answer.symbol, answer);
    return { type: answer.type, symbol: `bridge/${answer.symbol}` };
  }

  /** Arguments are in registers, as compiled code has them on both sides: six at most. */
  emit(a: Assembler): void {
    for (const symbol of this.used.keys()) {
      a.align(16);
      a.global(`bridge/${symbol}`);
      a.push(r15);
      a.lea(r15, rip("memory"));
      a.call(symbol);
      a.pop(r15);
      a.ret();
    }
  }
}
