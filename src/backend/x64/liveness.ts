// Which locals are live where: control flow graph of one function, and the classic backward data flow over it.
// Aho, Lam, Sethi, Ullman, "Compilers", section 9.2.5.

import type { Instruction } from "../wasm/function-body.js";

export interface BasicBlock {
  /** Half-open range of instructions. */
  readonly start: number;
  readonly end: number;
  readonly successors: number[];
  readonly liveIn: Uint32Array;
  readonly liveOut: Uint32Array;
}

export const has = (set: Uint32Array, member: number): boolean =>
  ((set[member >> 5] as number) & (1 << (member & 31))) !== 0;
export const add = (set: Uint32Array, member: number): void => {
  set[member >> 5] = (set[member >> 5] as number) | (1 << (member & 31));
};
export const remove = (set: Uint32Array, member: number): void => {
  set[member >> 5] = (set[member >> 5] as number) & ~(1 << (member & 31));
};
export function* members(set: Uint32Array): Generator<number> {
  for (let word = 0; word < set.length; word++) {
    let bits = set[word] as number;
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits);
      bits &= bits - 1;
      yield word * 32 + bit;
    }
  }
}

/** Where control goes after an instruction that ends a block; null when it simply goes on. */
function successorsOf(instructions: readonly Instruction[], at: number): number[] | null {
  const instruction = instructions[at] as Instruction;
  const last = instructions.length - 1;
  const place = (target: number): number => {
    if (target === -1) return last;
    const opener = instructions[target] as Instruction;
    return opener.name === "loop" ? target : opener.partner;
  };
  switch (instruction.name) {
    case "br":
      return [place(instruction.target)];
    case "br_if":
      return [at + 1, place(instruction.target)];
    case "br_table":
      return instruction.targets.map(place);
    case "return":
    case "unreachable":
      return [];
    case "if":
      return [at + 1, instruction.elseAt === -1 ? instruction.partner : instruction.elseAt + 1];
    case "else":
      return instruction.reachable ? [instruction.partner] : [];
    case "end":
      return at === last ? [] : [at + 1];
    default:
      return null;
  }
}

export function basicBlocks(instructions: readonly Instruction[], localCount: number): BasicBlock[] {
  const leaders = new Uint8Array(instructions.length + 1);
  leaders[0] = 1;
  for (let at = 0; at < instructions.length; at++) {
    const { name } = instructions[at] as Instruction;
    if (name === "loop" || name === "end") leaders[at] = 1;
    const successors = successorsOf(instructions, at);
    if (successors === null) continue;
    leaders[at + 1] = 1;
    for (const successor of successors) leaders[successor] = 1;
  }
  const blockAt = new Int32Array(instructions.length + 1).fill(-1);
  const starts: number[] = [];
  for (let at = 0; at < instructions.length; at++) if (leaders[at] === 1) blockAt[at] = starts.push(at) - 1;
  const words = (localCount + 31) >> 5;
  return starts.map((start, i) => {
    const end = starts[i + 1] ?? instructions.length;
    const successors = successorsOf(instructions, end - 1) ?? [end];
    return {
      ...{ start, end, successors: successors.map((at) => blockAt[at] as number) },
      ...{ liveIn: new Uint32Array(words), liveOut: new Uint32Array(words) },
    };
  });
}

/** Fills liveIn and liveOut. */
export function computeLiveness(blocks: readonly BasicBlock[], instructions: readonly Instruction[]): void {
  const words = blocks[0]?.liveIn.length ?? 0;
  const reads = blocks.map(() => new Uint32Array(words));
  const writes = blocks.map(() => new Uint32Array(words));
  for (const [i, { start, end }] of blocks.entries()) {
    const read = reads[i] as Uint32Array;
    const written = writes[i] as Uint32Array;
    for (let at = start; at < end; at++) {
      const { name, index } = instructions[at] as Instruction;
      if (name === "local.get" && !has(written, index)) add(read, index);
      else if (name === "local.set" || name === "local.tee") add(written, index);
    }
  }
  for (let changed = true; changed;) {
    changed = false;
    for (let i = blocks.length - 1; i >= 0; i--) {
      const { liveIn, liveOut, successors } = blocks[i] as BasicBlock;
      for (let word = 0; word < words; word++) {
        let out = 0;
        for (const successor of successors) out |= (blocks[successor] as BasicBlock).liveIn[word] as number;
        const read = (reads[i] as Uint32Array)[word] as number;
        const into = (read | (out & ~((writes[i] as Uint32Array)[word] as number))) >>> 0;
        liveOut[word] = out;
        if (into !== liveIn[word]) {
          liveIn[word] = into;
          changed = true;
        }
      }
    }
  }
}
