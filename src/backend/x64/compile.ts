// A wasm module to machine code: functions, entries of exports, the table of indirect calls, and what the linker has to
// know about linear memory. function.ts compiles one function, convention.ts says which register is whose.
//
// A launcher has several modules, each with a memory of its own: the engine, and hooks. `LinkedAs` says what a module is
// called and what its imports are; all of them share the routines, which reach memory through r15.
//
// Each exported function F has an entry `engine.F` for machine code that was written by hand: System V AMD64, integer
// arguments in rdi, rsi, rdx, rcx, r8, r9 (the upper half of an i32 may be anything), result in rax; rbx, rbp and
// r12-r15 are preserved, DF must be 0, the stack may have any alignment; a float is its bits, in a general register. Vector and
// x87 state is not touched, but for the registers that `Compiled.vectors` names.

import { checkModule, foldStart } from "../wasm/check.js";
import type { FunctionBody, Permissions } from "../wasm/function-body.js";
import { functionTypeOf, sameType, type DataSegment, type FunctionType, type Module } from "../wasm/module.js";
import { isFloat } from "../wasm/opcodes.js";
import { WasmError } from "../wasm/reader.js";
import { Assembler, r15, r8, r9, rcx, rdi, rdx, register, rip, rsi } from "./assembler.js";
import { emitFloatRoutines } from "./floats.js";
import { compileFunction, type ModuleContext, type TrapSite } from "./function.js";
import { intrinsic, knownImport } from "./intrinsics.js";
import { SITE_SYMBOL, emitRoutines } from "./routines.js";

export interface CompileOptions extends Permissions {
  /** Accesses outside of linear memory are undefined, or trap. Accesses through `peek` and `poke` are never checked. */
  readonly bounds: "trust" | "check";
}

/** The engine is ours, and touches no vector register. */
export const ENGINE_OPTIONS: CompileOptions = { floats: "refuse", memoryGrow: "refuse", bounds: "trust" };

/** How a module is linked with the others of a launcher. */
export interface LinkedAs {
  /** In front of the names of its symbols: memory, functions, the table of indirect calls, entries of exports. */
  readonly names: {
    readonly memory: string;
    readonly functions: string;
    readonly table: string;
    readonly entry: string;
  };
  /** What an import is, or null when there is no such. */
  imported(module: string, name: string): LinkedImport | null;
}

/** An import that another module answers: code at `symbol`, called by the convention of compiled code. */
export interface LinkedImport {
  readonly type: FunctionType;
  readonly symbol: string;
}

/** The first module of a launcher: its imports are the intrinsics. */
const ENGINE: LinkedAs = {
  names: { memory: "memory", functions: "", table: "engine table", entry: "engine." },
  imported: () => null,
};

/** The names of a module that is not the engine. */
export const namesOf = (module: string): LinkedAs["names"] => ({
  ...{ memory: `${module} memory`, functions: `${module}/`, table: `${module} table`, entry: `${module}.` },
});

export interface Compiled extends CompiledMemory {
  /** Exported functions, by name: the symbols of their code for callers that are compiled, too. */
  readonly functions: ReadonlyMap<string, LinkedImport>;
  /** By index of a function: bytes of stack that it takes. */
  readonly frames: ReadonlyMap<number, number>;
  /** Numbers of the xmm registers that the code changes; it needs MXCSR as at a program's start (floats.ts). */
  readonly vectors: readonly number[];
  /** Where the code traps, by ascending offset in text. */
  readonly traps: readonly { readonly at: number; readonly site: TrapSite }[];
}

/** What goes into the launcher's data. */
export interface CompiledMemory {
  /** The symbol of linear memory's byte 0. */
  readonly memory: string;
  readonly size: number;
  readonly segments: readonly DataSegment[];
  /** Bytes in front of linear memory: mutable globals, the first one nearest to it. */
  readonly globals: Uint8Array;
  /** Exported constants: names of places in linear memory, for debuggers and for code that was written by hand. */
  readonly symbols: readonly { readonly name: string; readonly offset: number }[];
}

const PAGE_SIZE = 65536;
/** Operands `offset(%r15,%index)` reach this far. */
const MEMORY_MAX = 0x7fffffff;

/** @throws WasmError when the module contains what the backend refuses (../wasm/check.ts) */
export function compileModule(a: Assembler, wasm: Module, options = ENGINE_OPTIONS, linkedAs = ENGINE): Compiled {
  const module = foldStart(wasm, options);
  const { names } = linkedAs;
  const isEngine = linkedAs === ENGINE;
  const typeOfImport = (from: string, name: string): FunctionType | null =>
    isEngine ? knownImport(from, name) : (linkedAs.imported(from, name)?.type ?? null);
  const bodies = checkModule(module, typeOfImport, options);
  const imports = module.importedFunctions.length;
  const symbols = module.functions.map(({ name }) => {
    const symbol = `${names.functions}${name}`;
    return a.symbols.has(symbol) ? `wasm:${symbol}` : symbol;
  });
  const signatures = uniqueTypes(module.types);
  const { displacements, globals, passive } = placeGlobals(module);
  const tableSize = module.tables[0]?.initial ?? 0;
  const size = (module.memories[0]?.initial ?? 0) * PAGE_SIZE;
  if (size > MEMORY_MAX) throw new WasmError(`wasm: ${size} bytes of linear memory; 2 GiB is the most`);

  const context: ModuleContext = {
    module,
    symbolOf: (index) => symbols[index - imports] as string,
    tableSymbol: names.table,
    linkedImport: (index) => {
      const { module: from, name } = module.importedFunctions[index] as { module: string; name: string };
      return linkedAs.imported(from, name)?.symbol ?? null;
    },
    global: (index) => {
      const displacement = displacements[index];
      return displacement === undefined
        ? { value: module.globals[index]?.initial as bigint }
        : { displacement: displacement };
    },
    signature: (type) => signatures.findIndex((known) => sameType(known, type)),
    intrinsic: (compiler, index) => {
      const { module: from, name } = module.importedFunctions[index] as { module: string; name: string };
      intrinsic(from, name)?.compile(compiler);
    },
    intrinsicCalls: (index) => {
      const { module: from, name } = module.importedFunctions[index] as { module: string; name: string };
      return intrinsic(from, name)?.calls === true;
    },
    memoryPages: size / PAGE_SIZE,
    tableSize,
    checksBounds: options.bounds === "check",
    passiveSegment: (index) => {
      const displacement = passive.get(index);
      return displacement === undefined ? null : { symbol: `${names.entry}data ${index}`, displacement };
    },
    addTrap: (site) => traps.push(site),
    addFrame: (index, frameSize) => frames.set(index, frameSize),
  };
  const frames = new Map<number, number>();
  const traps: TrapSite[] = [];
  const vectorsBefore = a.usedVectors;
  a.usedVectors = 0;

  if (isEngine) {
    emitRoutines(
      a,
      module.exports.some(({ kind, name }) => kind === "global" && name === SITE_SYMBOL),
    );
  }
  if (options.floats === "scalar" && bodies.some(usesFloats)) emitFloatRoutines(a);
  for (const [i, body] of bodies.entries()) {
    a.align(16);
    a.global(symbols[i] as string);
    compileFunction(a, context, body);
  }
  for (const { kind, name, index } of module.exports) {
    if (kind === "function") emitEntry(a, name, context.symbolOf(index), names, functionTypeOf(module, index));
  }
  if (tableSize > 0) emitTable(a, module, context, names.table);
  for (const [index, { bytes }] of module.data.entries()) {
    const segment = context.passiveSegment(index);
    if (segment !== null) emitSegment(a, segment.symbol, bytes);
  }
  const functions = new Map<string, LinkedImport>();
  for (const { kind, name, index } of module.exports) {
    if (kind !== "function") continue;
    functions.set(name, { type: functionTypeOf(module, index), symbol: context.symbolOf(index) });
  }
  const vectors = [0, 1, 2, 3, 4, 5, 6, 7].filter((number) => ((a.usedVectors >> number) & 1) !== 0);
  a.usedVectors |= vectorsBefore;
  const places = module.exports.flatMap(({ kind, name, index }) => {
    const global = kind === "global" ? module.globals[index] : undefined;
    return global !== undefined && !global.mutable
      ? [{ name: `${names.functions}${name}`, offset: Number(global.initial) }]
      : [];
  });
  return {
    ...{
      functions,
      frames,
      memory: names.memory,
      size,
      segments: module.data.filter(({ mode }) => mode === "active"),
      globals,
      vectors,
      symbols: places,
    },
    traps: traps.map((site) => ({ at: site.label.offset, site })).sort((left, right) => left.at - right.at),
  };
}

const usesFloats = ({ instructions }: FunctionBody): boolean => instructions.some(({ operator }) => isFloat(operator));

function emitSegment(a: Assembler, symbol: string, bytes: Uint8Array): void {
  a.section("rodata");
  a.global(symbol);
  a.bytes(bytes);
  a.endGlobal();
  a.section("text");
}

function uniqueTypes(types: readonly FunctionType[]): FunctionType[] {
  const unique: FunctionType[] = [];
  for (const type of types) if (!unique.some((known) => sameType(known, type))) unique.push(type);
  return unique;
}

/**
 * Mutable globals lie in front of linear memory, eight bytes each, so that `disp8(%r15)` reaches the first sixteen; then
 * the sizes of passive segments.
 */
function placeGlobals(module: Module): {
  displacements: (number | undefined)[];
  globals: Uint8Array;
  passive: Map<number, number>;
} {
  let count = 0;
  const displacements = module.globals.map(({ mutable }) => (mutable ? -8 * ++count : undefined));
  const passive = new Map<number, number>();
  for (const [index, { mode }] of module.data.entries()) if (mode === "passive") passive.set(index, -8 * ++count);
  const globals = new Uint8Array(8 * count);
  const view = new DataView(globals.buffer);
  for (const [index, displacement] of passive) {
    view.setBigUint64(globals.length + displacement, BigInt(module.data[index]?.bytes.length ?? 0), true);
  }
  for (const [index, displacement] of displacements.entries()) {
    if (displacement === undefined) continue;
    view.setBigUint64(globals.length + displacement, module.globals[index]?.initial as bigint, true);
  }
  return { displacements, globals, passive };
}

/** More parameters than registers, or several results, have no entry: only compiled code calls such functions. */
function emitEntry(a: Assembler, name: string, symbol: string, names: LinkedAs["names"], type: FunctionType): void {
  if (type.params.length > 6 || type.results.length > 1) return;
  a.align(16);
  a.global(`${names.entry}${name}`);
  a.push(r15);
  a.lea(r15, rip(names.memory));
  for (const [i, of] of [rdi, rsi, rdx, rcx, r8, r9].entries()) {
    if (type.params[i] === "i32") a.mov(register(of.number, 32), register(of.number, 32));
  }
  // System V has the third to sixth argument in rdx, rcx, r8, r9; compiled code in r8, r9, rdx, rcx.
  const count = type.params.length;
  if (count > 4) a.xchg(r8, rdx);
  else if (count > 2) a.mov(r8, rdx);
  if (count > 5) a.xchg(r9, rcx);
  else if (count > 3) a.mov(r9, rcx);
  a.call(symbol);
  a.pop(r15);
  a.ret();
}

/**
 * The table of indirect calls: for each entry the code's address relative to the table, and the signature's number.
 * An empty entry has a number that no signature has.
 */
function emitTable(a: Assembler, module: Module, context: ModuleContext, table: string): void {
  const entries = new Array<number | null>(context.tableSize).fill(null);
  for (const { mode, offset, functions } of module.elements) {
    if (mode !== "active") continue;
    for (const [i, index] of functions.entries()) entries[offset + i] = index;
  }
  a.section("rodata");
  a.align(8);
  a.global(table);
  for (const index of entries) {
    if (index === null) {
      a.u32(0);
      a.u32(0xffffffff);
      continue;
    }
    const imports = module.importedFunctions.length;
    if (index < imports) throw new WasmError(`wasm: import ${module.importedFunctions[index]?.name} is in the table`);
    a.u32Offset(context.symbolOf(index), table);
    a.u32(context.signature(module.functions[index - imports]?.type as FunctionType));
  }
  a.endGlobal();
  a.section("text");
}
