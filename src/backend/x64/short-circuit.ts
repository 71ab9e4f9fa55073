// Finds conditions that a branch can decide early: `a & b` and `a | b` over comparisons, whose only use is `if` or
// `br_if`. binaryen makes them out of `a && b` and `a || b`; as values they would cost two setcc, two movzx and a test.
//
// Seen from the comparison `a`: the code for `b` must be free of effects, since it is skipped when `a` decides.

import type { Instruction } from "../wasm/function-body.js";

export interface ShortCircuit {
  /** The i32.and or i32.or that `a` is the first operand of. */
  readonly combiner: number;
  /** The `if` or `br_if`. */
  readonly branch: number;
  /** The value of `a` that decides. */
  readonly decidedBy: boolean;
  /** What the branch then sees. */
  readonly outcome: boolean;
}

const REACH = 32;
const COMPARISON = /^i(32|64)\.(eqz|eq|ne|lt_s|lt_u|gt_s|gt_u|le_s|le_u|ge_s|ge_u)$/;

/** How many operands an instruction takes and gives, or null when it does more than compute: also when it may trap. */
function arity({ name, operator }: Instruction, loadsTrap: boolean): [number, number] | null {
  if (name === "nop") return [0, 0];
  if (name === "local.get" || name === "global.get") return [0, 1];
  if (!operator.typed || operator.result === null || /div|rem|atomic|memory|trunc_f/.test(name)) return null;
  if (loadsTrap && name.includes("load")) return null;
  return [operator.operands.length, 1];
}

/** @param at the comparison, whose result is an operand */
export function findShortCircuit(
  instructions: readonly Instruction[],
  at: number,
  loadsTrap: boolean,
): ShortCircuit | null {
  let depth = 1;
  let combiner = -1;
  let kind = "";
  let inverted = false;
  for (let i = at + 1; i < Math.min(at + REACH, instructions.length); i++) {
    const instruction = instructions[i] as Instruction;
    const { name } = instruction;
    if (depth === 1 && combiner !== -1 && (name === "br_if" || name === "if")) {
      const decidedBy = kind === "i32.or";
      return { combiner, branch: i, decidedBy, outcome: decidedBy !== inverted };
    }
    if (depth === 1 && combiner !== -1 && name === "i32.eqz") {
      inverted = !inverted;
      continue;
    }
    const counts = arity(instruction, loadsTrap);
    if (counts === null) return null;
    const [taken, given] = counts;
    if (depth - taken >= 1) {
      depth += given - taken;
      continue;
    }
    // This one takes the value: it must be the first of two operands, of the same kind as before.
    if (depth !== 2 || (name !== "i32.and" && name !== "i32.or") || inverted || (kind !== "" && kind !== name))
      return null;
    if (name === "i32.and" && !COMPARISON.test((instructions[i - 1] as Instruction).name)) return null;
    kind = name;
    if (combiner === -1) combiner = i;
    depth = 1;
  }
  return null;
}
