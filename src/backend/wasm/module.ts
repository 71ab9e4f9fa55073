// A WebAssembly module as the backend reads it: plain data, in the order of the binary format's index spaces.

import type { Type } from "./opcodes.js";

export type { Type } from "./opcodes.js";

/** Value types as they appear in signatures and locals; check.ts refuses by name what is not compiled. */
export type ValueType = Type | "v128" | "funcref" | "externref";

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: "function" | "table" | "memory" | "global" | "tag";
  /** For a function, its type. */
  readonly type: FunctionType | null;
}

export interface WasmFunction {
  /** From the name section, else from an export, else `function[index]`. Unique in the module. */
  readonly name: string;
  readonly index: number;
  readonly type: FunctionType;
  readonly locals: readonly ValueType[];
  /** The expression, with its `end`; offsets in messages are relative to the module. */
  readonly body: Uint8Array;
  readonly bodyOffset: number;
}

export interface Global {
  readonly type: ValueType;
  readonly mutable: boolean;
  /** The bits of the initial value, unsigned. */
  readonly initial: bigint;
}

export interface Export {
  readonly name: string;
  readonly kind: "function" | "table" | "memory" | "global" | "tag";
  readonly index: number;
}

export interface ElementSegment {
  readonly mode: "active" | "passive" | "declarative";
  readonly offset: number;
  /** Function indices; null where the element is ref.null. */
  readonly functions: readonly (number | null)[];
}

export interface DataSegment {
  readonly mode: "active" | "passive";
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface Memory {
  /** In pages of 64 KiB. */
  readonly initial: number;
  readonly maximum: number | null;
  readonly shared: boolean;
}

export interface Module {
  readonly types: readonly FunctionType[];
  readonly imports: readonly Import[];
  /** Imports of functions in index order: function i is importedFunctions[i], or functions[i - importedFunctions.length]. */
  readonly importedFunctions: readonly Import[];
  readonly functions: readonly WasmFunction[];
  readonly tables: readonly { readonly initial: number; readonly maximum: number | null }[];
  readonly memories: readonly Memory[];
  readonly globals: readonly Global[];
  readonly exports: readonly Export[];
  readonly start: number | null;
  readonly elements: readonly ElementSegment[];
  readonly data: readonly DataSegment[];
}

export function functionTypeOf(module: Module, index: number): FunctionType {
  const imported = module.importedFunctions[index];
  const type = imported?.type ?? module.functions[index - module.importedFunctions.length]?.type;
  if (type === undefined || type === null) throw new RangeError(`function ${index} does not exist`);
  return type;
}

export const sameType = (a: FunctionType, b: FunctionType): boolean =>
  a.params.join() === b.params.join() && a.results.join() === b.results.join();

export const showType = (type: FunctionType): string => `(${type.params.join(", ")}) -> (${type.results.join(", ")})`;
