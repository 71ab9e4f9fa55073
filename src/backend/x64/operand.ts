// One value on the compile-time operand stack, and where it is.
//
// Values stay where they are as long as possible: constants are not loaded, locals are not copied and comparisons not
// turned into 0 or 1 before something needs it. operand-stack.ts keeps the promise that makes this sound: before a local's
// home is written, every entry that still reads it is copied away.

import type { Type } from "../wasm/opcodes.js";
import type { Condition, Memory, Scale } from "./assembler.js";

export type Operand =
  /** The bits, unsigned. */
  | { kind: "constant"; type: Type; value: bigint }
  /** Still in the home of a local, which this entry only reads; `isLast`: and nobody after it. */
  | { kind: "local"; type: Type; local: number; isLast: boolean }
  /** In a register that this entry owns. */
  | { kind: "register"; type: Type; register: number }
  /**
   * `register * scale + disp`, modulo 2^32, not computed yet: an address, or a part of one. The register is this entry's
   * own, or a local's home. `isExact`: the sum does not wrap.
   */
  | { kind: "sum"; type: "i32"; register: number; scale: Scale; disp: number; isExact: boolean }
  /** In memory, for the very next instruction to read. */
  | { kind: "memory"; type: Type; place: Memory }
  /** In the stack slot of the given depth. */
  | { kind: "slot"; type: Type; slot: number }
  /** An i32 that is 1 when the condition holds. Always topmost: nothing may come between it and its use. */
  | { kind: "flags"; type: Type; condition: Condition };
