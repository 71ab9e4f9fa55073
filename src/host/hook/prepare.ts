// A hook's module, made ready for the launcher: what it does before it is first called is done here, once, in V8.
//
// `const reads = new Counter("reads")`, a table that is filled in a loop, an array: AssemblyScript puts the initialisers of
// globals into a start function, which may allocate. In the launcher nothing runs before the first call and nothing allocates,
// so the start function, and an export `_initialize` (what wasm "reactors" of other languages have), run in V8 when the hook is
// built. Memory and globals, as they are afterwards, are what the hook starts with in each process. `matchCall` is
// asked about each number then as well: which calls a hook sees is known before the program starts.
//
// What only the start needed (the allocator, first of all) is left out. What can run later must not allocate, and must
// not call itself: the engine's stack is small, and an overflow of it would not be found.

import type { Hook } from "../../backend/build-launcher.js";
import { HOOK_IMPORTS } from "../../backend/build-launcher.js";
import type { CounterSum, HookCounter } from "../../backend/hook-table.js";
import { EVENT_NAMES, HOOK_CALL_MAX } from "../../abi/hook-table.js";
import { NEEDS_FACTS, NEEDS_NAME } from "../../abi/instruction-record.js";
import type { Instruction } from "../../backend/wasm/function-body.js";
import { showType, type Module, type WasmFunction } from "../../backend/wasm/module.js";
import { WasmError, readModule } from "../../backend/wasm/reader.js";
import { CallGraph } from "./call-graph.js";
import { HookError } from "./error.js";

/** What the engine calls, with what each takes and gives. */
const ENTRIES: Readonly<Record<string, { takes: string; result: "" | "i32" }>> = {
  beforeCall: { takes: "a SystemCall", result: "" },
  afterCall: { takes: "a SystemCall", result: "" },
  match: { takes: "an Instruction", result: "i32" },
  before: { takes: "a Context", result: "" },
  replace: { takes: "a Context", result: "" },
  after: { takes: "a Context", result: "" },
  ...Object.fromEntries(EVENT_NAMES.map((name) => [name, { takes: "an event", result: "" }])),
};
/** The engine calls these; every hook has one of them at least. */
export const ENTRY_NAMES: readonly string[] = Object.keys(ENTRIES);
const CALLED = ENTRY_NAMES.filter((name) => name !== "match");
/** Called at the instructions that `match` wants. */
const AT_INSTRUCTIONS: readonly string[] = ["before", "replace", "after"];
/** Larger memories would make every process larger, and a launcher's parts must lie within 2 GiB. */
const MEMORY_PAGES_MAX = 256;
const COUNTER_MAX = 256;
/** The engine stack has 47 KiB: the rest is the engine's, which a hook calls and which calls the hook. */
const STACK_MAX = 16384;
const PAGE_SIZE = 65536;
/** In front of the names under which globals are exported for a moment. */
const GLOBAL = "flicker global ";

type Numbers = Record<string, unknown>;

/**
 * Runs a module's start and gives what is left.
 * @param title what messages call the hook
 * @param placeOf where in its source an instruction comes from
 * @throws HookError for what the engine could not run, in one line
 */
export function prepareHook(
  wasm: Uint8Array<ArrayBuffer>,
  title: string,
  placeOf: (offset: number) => string | null,
): Hook {
  const refuse = (what: string): never => {
    throw new HookError(`${title}: ${what}`);
  };
  const module = readOrRefuse(wasm, refuse);
  for (const { module: from, name, kind } of module.imports) {
    if (kind !== "function") refuse(`it imports the ${kind} ${from}.${name}; a hook has a memory of its own`);
  }
  const entries = module.exports.filter(({ name, kind }) => kind === "function" && Object.hasOwn(ENTRIES, name));
  const has = (name: string): boolean => entries.some((entry) => entry.name === name);
  if (!CALLED.some(has)) refuse(`it exports none of ${CALLED.join(", ")}`);
  if (has("before") && has("replace")) refuse("it exports both before and replace");
  const graph = new CallGraph(module);
  for (const { name, index } of entries) {
    if (graph.isImport(index)) refuse(`export ${name} is an import`);
    const { type } = graph.bodyOf(index).wasm;
    const { takes, result } = ENTRIES[name]!;
    const isRight = type.results.join() === result && ["", "i32"].includes(type.params.join());
    const gives = result === "" ? "nothing" : "a bool";
    if (!isRight) refuse(`${name} is ${showType(type)}, but should take ${takes} and give ${gives}`);
  }
  const roots = entries.map(({ index }) => index);
  const recursive = graph.findRecursion(roots);
  if (recursive !== null)
    refuse(`${graph.nameOf(recursive)} may call itself; the engine's stack is too small for that`);

  const { instance, counters, record } = instantiate(wasm, module, refuse);
  const calls = has("beforeCall") || has("afterCall") ? matchingCalls(instance, refuse) : [];
  if (has("match") && record === null) refuse("match looks at no Instruction; flicker.instruction says where it is");
  const matcher = has("match") && record !== null ? { needs: NEEDS_NAME | NEEDS_FACTS, record } : null;
  const reached = graph.reachedFrom(roots);
  const used = new Set([...reached].filter((index) => graph.isImport(index)).map((index) => graph.nameOf(index)));
  if (used.has(`${HOOK_IMPORTS}.counter`)) refuse("a Counter is made in a function; make it at the top of the file");
  return {
    ...{ title, calls, counters, matcher, placeOf },
    sums: has("before")
      ? sumsOf(entries.find(({ name }) => name === "before")!.index, roots, graph, instance, counters)
      : [],
    waitsForMatch: AT_INSTRUCTIONS.some(has) && !has("match"),
    module: snapshot(module, instance, reached, entries, graph, refuse),
    usesImport: (from, name) => used.has(`${from}.${name}`),
    checkStack: (frames) => {
      const size = graph.deepest(roots, frames);
      if (size > STACK_MAX) refuse(`it takes ${size} bytes of stack; ${STACK_MAX} are the most`);
    },
  };
}

function readOrRefuse(wasm: Uint8Array, refuse: (what: string) => never): Module {
  try {
    return readModule(wasm);
  } catch (error) {
    if (error instanceof WasmError) return refuse(error.message.replace(/^wasm: /, ""));
    throw error;
  }
}

/** AssemblyScript's header in front of a text has its size in bytes last. */
const TEXT_SIZE = 4;

/** A text of AssemblyScript's that the module has from the beginning: UTF-16, at an address in its memory. */
function initialText(module: Module, address: number): string {
  for (const { offset, bytes } of module.data) {
    const at = address - offset;
    if (at < TEXT_SIZE || at > bytes.length) continue;
    const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at - TEXT_SIZE, true);
    // A segment ends before its last zeros.
    const text = Buffer.alloc(size);
    text.set(bytes.subarray(at, at + size));
    return text.toString("utf16le");
  }
  return "it gives up";
}

/** The module's instance after its start, with memory and all globals exported. */
function instantiate(
  wasm: Uint8Array<ArrayBuffer>,
  module: Module,
  refuse: (what: string) => never,
): { instance: WebAssembly.Instance; counters: HookCounter[]; record: number | null } {
  const counters: HookCounter[] = [];
  let record: number | null = null;
  // The memory is there once the start function runs, but not before the instance is: it comes by way of the exports.
  const state: { memory: WebAssembly.Memory | null; pending: [number, number, number][] } = {
    memory: null,
    pending: [],
  };
  const imports: Record<string, Record<string, (...values: number[]) => unknown>> = {};
  for (const { module: from, name } of module.importedFunctions) {
    (imports[from] ??= {})[name] = (...values: number[]) => {
      if (from === HOOK_IMPORTS && name === "instruction") record = values[0]!;
      else if (from === HOOK_IMPORTS && name === "counter") state.pending.push(values as [number, number, number]);
      else if (from === "env" && name === "abort")
        refuse(`${initialText(module, values[0]!)}, at ${initialText(module, values[1]!)}:${values[2]}:${values[3]}`);
      else refuse(`${from}.${name} is called before the program runs`);
    };
  }
  let instance: WebAssembly.Instance;
  try {
    const exporting = new WebAssembly.Module(exportAll(wasm, module));
    instance = new WebAssembly.Instance(exporting, imports);
    const initialise = (instance.exports as Numbers)["_initialize"];
    if (typeof initialise === "function") (initialise as () => void)();
  } catch (error) {
    if (error instanceof HookError) throw error;
    return refuse(`it does not start: ${(error as Error).message}`);
  }
  const memory = memoryOf(instance);
  for (const [name, size, offset] of state.pending) {
    const text = new TextDecoder("utf-16le").decode(memory.slice(name, name + size));
    counters.push({ name: text, offset });
  }
  if (counters.length > COUNTER_MAX) refuse(`${counters.length} counters; ${COUNTER_MAX} are the most`);
  return { instance, counters, record };
}

function memoryOf(instance: WebAssembly.Instance): Uint8Array {
  const memory = (instance.exports as Numbers)[`${GLOBAL}memory`] as WebAssembly.Memory | undefined;
  return memory === undefined ? new Uint8Array() : new Uint8Array(memory.buffer);
}

function matchingCalls(instance: WebAssembly.Instance, refuse: (what: string) => never): number[] {
  const all = Array.from({ length: HOOK_CALL_MAX + 1 }, (_, number) => number);
  const match = (instance.exports as Numbers)["matchCall"] as ((number: number) => number) | undefined;
  if (match === undefined) return all;
  try {
    return all.filter((number) => match(number) !== 0);
  } catch (error) {
    if (error instanceof HookError) throw error;
    return refuse(`matchCall fails: ${(error as Error).message}`);
  }
}

/** An amount that an 8-bit immediate holds. */
const AMOUNT_MAX = 127;

/**
 * What a `before` adds to which counters, when that is all it does and nothing in the hook reads a counter: trampolines then do the sum,
 * in counts of the thread's own. Empty when it does more.
 */
function sumsOf(
  before: number,
  roots: readonly number[],
  graph: CallGraph,
  instance: WebAssembly.Instance,
  counters: readonly HookCounter[],
): CounterSum[] {
  const instructions = graph.instructionsOf(graph.reachedFrom(roots));
  if (instructions.some(({ name }) => name === "i64.atomic.load")) return [];
  const written = writtenGlobals(instructions);
  const sums: CounterSum[] = [];
  const stack: number[] = [];
  for (const { name, index, value, offset } of graph.bodyOf(before).instructions) {
    if (name === "i32.const") stack.push(index);
    else if (name === "i64.const") stack.push(Number(value));
    else if (name === "global.get" && !written.has(index)) {
      const { mutable, initial } = graph.module.globals[index]!;
      stack.push(Number(mutable ? valueOf(instance, index) : initial));
    } else if (name === "i64.atomic.rmw.add" && stack.length === 2) {
      const [place = 0, amount = 0] = stack;
      const counter = counters.findIndex((one) => one.offset === place + Number(offset));
      if (counter < 0 || amount < 1 || amount > AMOUNT_MAX) return [];
      sums.push({ counter, amount });
      stack.splice(0, 2, 0);
    } else if (name === "drop") stack.pop();
    else if (name !== "end" || stack.length > 0) return [];
  }
  return sums;
}

const writtenGlobals = (instructions: readonly Instruction[]): Set<number> =>
  new Set(instructions.filter(({ name }) => name === "global.set").map(({ index }) => index));

/** The module as it is to start in a process. */
function snapshot(
  module: Module,
  instance: WebAssembly.Instance,
  reached: ReadonlySet<number>,
  entries: Module["exports"],
  graph: CallGraph,
  refuse: (what: string) => never,
): Module {
  const bytes = memoryOf(instance);
  const pages = bytes.length / PAGE_SIZE;
  if (pages > MEMORY_PAGES_MAX) refuse(`${pages} pages of memory; ${MEMORY_PAGES_MAX} (16 MiB) are the most`);
  const isReached = (index: number): boolean => reached.has(index);
  const instructions = graph.instructionsOf(reached);
  const written = writtenGlobals(instructions);
  const usesTable = instructions.some(({ name }) => name === "call_indirect");
  return {
    ...module,
    start: null,
    exports: entries,
    functions: module.functions.map((wasm) => (isReached(wasm.index) ? wasm : emptied(wasm))),
    globals: module.globals.map((global, index) =>
      global.mutable ? { ...global, mutable: written.has(index), initial: valueOf(instance, index) } : global,
    ),
    memories: module.memories.map((memory) => ({ ...memory, initial: pages, maximum: pages })),
    tables: usesTable ? module.tables : [],
    elements: usesTable ? module.elements : [],
    data: [
      ...module.data.map((segment) =>
        segment.mode === "active" ? { ...segment, offset: 0, bytes: new Uint8Array() } : segment,
      ),
      ...pieces(bytes),
    ],
  };
}

const NO_TYPE = { params: [], results: [] };

/** A function that nothing calls any more. */
const emptied = (wasm: WasmFunction): WasmFunction => ({
  ...{ ...wasm, type: NO_TYPE, locals: [], body: Uint8Array.of(0x0b) },
});

/** The bits of a global's value. */
function valueOf(instance: WebAssembly.Instance, index: number): bigint {
  const { value } = (instance.exports as Numbers)[`${GLOBAL}${index}`] as { value: number | bigint };
  return typeof value === "bigint" ? BigInt.asUintN(64, value) : BigInt(value >>> 0);
}

/** Memory without its long runs of zeros. */
function pieces(bytes: Uint8Array): Module["data"][number][] {
  const step = 4096;
  const found: Module["data"][number][] = [];
  for (let offset = 0; offset < bytes.length; offset += step) {
    const piece = bytes.slice(offset, offset + step);
    if (piece.some((byte) => byte !== 0)) found.push({ mode: "active", offset, bytes: piece });
  }
  return found;
}

// ---- the export section ----

const leb = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)]);
const EXPORT_SECTION = 7;
const EXPORTED_MEMORY = 2;
const EXPORTED_GLOBAL = 3;

/** The same module with its memory and its mutable globals exported. */
function exportAll(wasm: Uint8Array, module: Module): Uint8Array<ArrayBuffer> {
  const extra: number[][] = module.globals.flatMap(({ mutable }, index) =>
    mutable ? [[...nameBytes(`${GLOBAL}${index}`), EXPORTED_GLOBAL, ...leb(index)]] : [],
  );
  if (module.memories.length > 0) extra.push([...nameBytes(`${GLOBAL}memory`), EXPORTED_MEMORY, 0]);
  const out: Uint8Array[] = [wasm.slice(0, 8)];
  for (let at = 8; at < wasm.length;) {
    const id = wasm[at] as number;
    const [size, bodyAt] = readLeb(wasm, at + 1);
    const end = bodyAt + size;
    if (id === EXPORT_SECTION) {
      const [count, itemsAt] = readLeb(wasm, bodyAt);
      const body = [...leb(count + extra.length), ...wasm.slice(itemsAt, end), ...extra.flat()];
      out.push(Uint8Array.from([id, ...leb(body.length), ...body]));
    } else out.push(wasm.slice(at, end));
    at = end;
  }
  return new Uint8Array(Buffer.concat(out));
}

const nameBytes = (name: string): number[] => [...leb(Buffer.byteLength(name)), ...Buffer.from(name)];

function readLeb(bytes: Uint8Array, from: number): [value: number, behind: number] {
  let value = 0;
  let at = from;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] as number;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}
