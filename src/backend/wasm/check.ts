// Build gates: what a module must not contain to become part of a launcher. V8 would run all of it; the native engine
// has no growing memory, no start function, no floating point and only the imports that the backend compiles in place.
// Each refusal names the function or import, because the cause is a line of source that looks harmless.

import { decodeFunction, type FunctionBody } from "./function-body.js";
import { functionTypeOf, sameType, showType, type FunctionType, type Module } from "./module.js";
import { WasmError } from "./reader.js";

/** Tells the type of an import that the backend knows, or null. */
export type KnownImport = (module: string, name: string) => FunctionType | null;

/**
 * Refuses a module that cannot be compiled, and decodes its functions on the way.
 * @throws WasmError naming what is refused and where
 */
export function checkModule(module: Module, knownImport: KnownImport): FunctionBody[] {
  if (module.start !== null) {
    throw new WasmError("wasm: the module has a start function: some global's initialiser is not a constant");
  }
  for (const { module: from, name, kind, type } of module.imports) {
    const known = kind === "function" ? knownImport(from, name) : null;
    if (known === null || type === null) throw new WasmError(`wasm: import of ${kind} ${from}.${name} is not known`);
    if (!sameType(known, type)) {
      throw new WasmError(`wasm: import ${from}.${name} is ${showType(type)}, but should be ${showType(known)}`);
    }
  }
  if (module.memories.length > 1) throw new WasmError("wasm: more than one memory");
  if (module.tables.length > 1) throw new WasmError("wasm: more than one table");
  for (const [index, { type }] of module.globals.entries()) refuse(type, `global ${index}`);
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
      refuse(type, `function ${wasm.name}`);
    return decodeFunction(module, wasm);
  });
}

function refuse(type: string, where: string): void {
  if (type === "i32" || type === "i64") return;
  const what = type === "f32" || type === "f64" ? "floating point" : type === "v128" ? "SIMD" : "references";
  throw new WasmError(`wasm: ${where} uses ${type}: ${what} is not compiled`);
}
