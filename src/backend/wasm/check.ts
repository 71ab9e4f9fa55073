// Build gates: what a module must not contain to become part of a launcher. V8 would run all of it; the native engine
// has no growing memory, nothing that runs before it starts, no floating point and only the imports that the backend compiles in place.
// Each refusal names the function or import, because the cause is a line of source that looks harmless.

import { decodeFunction, type FunctionBody, type Permissions } from "./function-body.js";
import { functionTypeOf, sameType, showType, type FunctionType, type Module } from "./module.js";
import { WasmError } from "./reader.js";

/** Tells the type of an import that the backend knows, or null. */
export type KnownImport = (module: string, name: string) => FunctionType | null;

/**
 * Refuses a module that cannot be compiled, and decodes its functions on the way.
 * @throws WasmError naming what is refused and where
 */
export function checkModule(module: Module, knownImport: KnownImport, permissions: Permissions): FunctionBody[] {
  for (const { module: from, name, kind, type } of module.imports) {
    const known = kind === "function" ? knownImport(from, name) : null;
    if (known === null || type === null) throw new WasmError(`wasm: import of ${kind} ${from}.${name} is not known`);
    if (!sameType(known, type)) {
      throw new WasmError(`wasm: import ${from}.${name} is ${showType(type)}, but should be ${showType(known)}`);
    }
  }
  if (module.memories.length > 1) throw new WasmError("wasm: more than one memory");
  if (module.tables.length > 1) throw new WasmError("wasm: more than one table");
  for (const [index, { type }] of module.globals.entries()) refuse(type, `global ${index}`, permissions);
  const memorySize = (module.memories[0]?.initial ?? 0) * 65536;
  for (const [index, { mode, offset, bytes }] of module.data.entries()) {
    if (mode === "active" && offset + bytes.length > memorySize) {
      throw new WasmError(`wasm: data segment ${index} lies outside of linear memory`);
    }
  }
  const tableSize = module.tables[0]?.initial ?? 0;
  for (const [index, { mode, offset, functions }] of module.elements.entries()) {
    if (mode === "active" && offset + functions.length > tableSize) {
      throw new WasmError(`wasm: element segment ${index} lies outside of the table`);
    }
  }
  for (const { kind, index, name } of module.exports) {
    if (kind === "function" && index < module.importedFunctions.length) {
      throw new WasmError(`wasm: export ${name} is an import`);
    }
    if (kind === "function") functionTypeOf(module, index);
  }
  return module.functions.map((wasm) => {
    for (const type of [...wasm.type.params, ...wasm.type.results, ...wasm.locals])
      refuse(type, `function ${wasm.name}`, permissions);
    return decodeFunction(module, wasm, permissions);
  });
}

/**
 * The module without its start function, when that does no more than give globals constant values: AssemblyScript makes
 * one for initialisers such as `let a: u64 = SOME_CONSTANT`, whose values can as well be in the globals from the start.
 * @throws WasmError when the start function does anything else
 */
export function foldStart(module: Module, permissions: Permissions): Module {
  if (module.start === null) return module;
  const wasm = module.functions[module.start - module.importedFunctions.length];
  if (wasm === undefined) throw new WasmError("wasm: the start function is an import");
  const { instructions } = decodeFunction(module, wasm, permissions);
  const globals = [...module.globals];
  for (let i = 0; instructions[i]?.name !== "end"; i += 2) {
    const [constant, set] = instructions.slice(i, i + 2);
    const value = constant?.name === "i32.const" ? BigInt(constant.index) : constant?.value;
    const global = globals[set?.index ?? -1];
    if (!/^[if](32|64)\.const$/.test(constant?.name ?? "") || set?.name !== "global.set" || global === undefined) {
      throw new WasmError(
        `wasm: the module has a start function, whose instruction ${i} is ${constant?.name}: ` +
          "the initialiser of some global is no constant (a new, an array literal, a call)",
      );
    }
    globals[set.index] = { ...global, initial: value as bigint };
  }
  return { ...module, globals, start: null };
}

function refuse(type: string, where: string, { floats }: Permissions): void {
  const isFloat = type === "f32" || type === "f64";
  if (type === "i32" || type === "i64" || (isFloat && floats === "scalar")) return;
  const what = isFloat ? "floating point" : type === "v128" ? "SIMD" : "references";
  throw new WasmError(`wasm: ${where} uses ${type}: ${what} is not compiled`);
}
