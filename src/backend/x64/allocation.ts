// Where locals live. (Placeholder of the register allocation: every local in a stack slot.)
import type { FunctionBody } from "../wasm/function-body.js";

/** A register number, or ~slot. */
export type Home = number;
export const isRegister = (home: Home): boolean => home >= 0;

export interface Allocation {
  readonly homes: readonly Home[];
  readonly slotCount: number;
  /** Callee-saved registers that are homes. */
  readonly saved: readonly number[];
  /** Whether the local has a value that is read when the function begins: parameters, and zeroes that are read. */
  readonly liveAtEntry: readonly boolean[];
  /** local.set and local.tee whose value nobody reads, by instruction index. */
  readonly deadWrites: ReadonlySet<number>;
}

export function allocate(body: FunctionBody): Allocation {
  return {
    homes: body.localTypes.map((_, i) => ~i),
    slotCount: body.localTypes.length,
    saved: [],
    liveAtEntry: body.localTypes.map(() => true),
    deadWrites: new Set(),
  };
}
