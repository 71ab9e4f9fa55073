// The matching language: `--match EXPR` names instructions by what they are and do. docs/matching.md is its manual.
//
//   text --lexer--> tokens --grammar--> syntax tree --types, names--> condition --emission--> wasm
//
// The wasm looks at the record of one instruction (src/abi/instruction-record.ts) and says yes or no. It runs in Node for
// `flicker inspect`, and is compiled to machine code for a launcher, like a hook.

import {
  NEEDS_BLOCKS,
  NEEDS_DISASSEMBLY,
  NEEDS_FACTS,
  NEEDS_FILE,
  NEEDS_FUNCTION,
  NEEDS_NAME,
  NEEDS_TARGET_FILE,
  NEEDS_TARGET_FUNCTION,
} from "../abi/instruction-record.js";
import { emit } from "./emission.js";
import type { TextField } from "./names.js";
import { check } from "./types.js";

export { MatchError } from "./error.js";
export type { TextField } from "./names.js";

/** What an expression looks at; who fills the record need fill no more. */
export interface Needs {
  /** NEEDS_ bits, as the module's global `needs` has them. */
  readonly bits: number;
  readonly name: boolean;
  readonly facts: boolean;
  readonly blocks: boolean;
  readonly file: boolean;
  readonly function: boolean;
  readonly targetFile: boolean;
  readonly targetFunction: boolean;
  readonly disassembly: boolean;
}

export interface CompiledMatch {
  readonly text: string;
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly needs: Needs;
}

/** Texts that a running program's engine can be asked for (src/engine/match.ts). */
const TEXTS_OF_A_RUN: readonly TextField[] = ["file", "function"];

/**
 * Compiles an expression.
 * @param texts those that whoever fills the record can supply; asking for another is an error at its place
 * @throws MatchError whose message has the column, and a line that points at it
 */
export function compileMatch(text: string, texts: readonly TextField[] = TEXTS_OF_A_RUN): CompiledMatch {
  const { condition, needs: bits } = check(text, texts);
  const has = (bit: number): boolean => (bits & bit) !== 0;
  const needs: Needs = {
    bits,
    name: has(NEEDS_NAME),
    facts: has(NEEDS_FACTS),
    blocks: has(NEEDS_BLOCKS),
    file: has(NEEDS_FILE),
    function: has(NEEDS_FUNCTION),
    targetFile: has(NEEDS_TARGET_FILE),
    targetFunction: has(NEEDS_TARGET_FUNCTION),
    disassembly: has(NEEDS_DISASSEMBLY),
  };
  return { text, wasm: emit(condition, bits), needs };
}
