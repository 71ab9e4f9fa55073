// What an expression comes to: conditions over fields of the record, without names and types. types.ts makes it, emission.ts
// makes wasm of it.
//
// A value may be absent: an instruction without an immediate has no `imm`. A comparison with an absent value does not hold,
// whichever it is, `!=` too; `not` turns that around. So conditions about such a value come with `present`.

import type { Automaton } from "./automaton.js";
import type { Relation } from "./grammar.js";
import type { TextField } from "./names.js";

/** A number, as 64 bits of two's complement. */
export type Value =
  | { readonly kind: "constant"; readonly value: bigint }
  | { readonly kind: "field"; readonly offset: number; readonly size: 1 | 2 | 4 | 8 }
  | { readonly kind: "sum"; readonly operator: "+" | "-"; readonly left: Value; readonly right: Value };

/** What a text is asked: is it known, and does an automaton accept it. */
export interface TextQuestion {
  readonly field: TextField;
  /** null: only whether it is known. */
  readonly automaton: Automaton | null;
}

export type Condition =
  | { readonly kind: "constant"; readonly value: boolean }
  | { readonly kind: "and" | "or"; readonly parts: readonly Condition[] }
  | { readonly kind: "not"; readonly part: Condition }
  /** One of the bits is set. */
  | { readonly kind: "bits"; readonly offset: number; readonly size: 1 | 2 | 4; readonly mask: number }
  | { readonly kind: "compare"; readonly relation: Relation; readonly left: Value; readonly right: Value }
  /** The mnemonic's number is one of these. */
  | { readonly kind: "mnemonic"; readonly numbers: ReadonlySet<number> }
  /** The text is known, and is accepted (or, with isNegated, is not). */
  | { readonly kind: "text"; readonly question: TextQuestion; readonly isNegated: boolean };

/** Conditions that all hold. */
export function allOf(parts: readonly Condition[]): Condition {
  return parts.length === 1 ? parts[0]! : { kind: "and", parts };
}
/** Conditions of which one holds. */
export function anyOf(parts: readonly Condition[]): Condition {
  return parts.length === 1 ? parts[0]! : { kind: "or", parts };
}
