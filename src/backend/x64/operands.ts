// Memory operands and labels of the macro assembler.
//
//   mem({ base: rsp, disp: 8 })                          8(%rsp)
//   mem({ base: r15, index: rax, scale: 4, disp: 16 })   16(%r15,%rax,4)
//   mem({ segment: "gs", disp: 0x10 })                   %gs:0x10, absolute: no base and no rip (SIB form)
//   rip("table", 8)                                      table+8(%rip)
//
// The width of an access comes from the register beside it. Where there is none (`mov $1, (%rax)`, `inc`, `neg`,
// `push`), the operand states it: `mem32({ ... })`, `rip32("name")`, or `size` in the description.

import { Register, rsp, type Size } from "./registers.js";

export class OperandError extends Error {}

export type Scale = 1 | 2 | 4 | 8;
export type Segment = "fs" | "gs";

export interface MemoryDescription {
  base?: Register;
  index?: Register;
  scale?: Scale;
  /** Signed 32 bits. */
  disp?: number;
  segment?: Segment;
  size?: Size;
}

export class Memory {
  constructor(
    readonly base: Register | null,
    readonly index: Register | null,
    readonly scale: Scale,
    /** The displacement, or what is added to the symbol's address. */
    readonly disp: number,
    readonly segment: Segment | null,
    /** Set for a rip-relative operand, which has neither base nor index. */
    readonly symbol: string | Label | null,
    readonly size: Size | null,
  ) {}

  toString(): string {
    const segment = this.segment === null ? "" : `%${this.segment}:`;
    if (this.symbol !== null) return `${segment}${String(this.symbol)}${this.disp ? `+${this.disp}` : ""}(%rip)`;
    const index = this.index === null ? "" : `,${this.index},${this.scale}`;
    if (this.base === null && this.index === null) return `${segment}${this.disp}`;
    return `${segment}${this.disp || ""}(${this.base ?? ""}${index})`;
  }
}

/** A place in a section that only this assembler knows. Made by `Assembler.label()`. */
export class Label {
  /** Index of the section, -1 while unbound. */
  section = -1;
  offset = 0;
  toString(): string {
    return "label";
  }
}

export function mem(description: MemoryDescription): Memory {
  const { base = null, index = null, scale = 1, disp = 0, segment = null, size = null } = description;
  for (const part of [base, index]) {
    if (part !== null && part.size !== 64) throw new OperandError(`${part} cannot address memory: use its 64-bit view`);
  }
  if (index === rsp) throw new OperandError("%rsp cannot be an index");
  if (![1, 2, 4, 8].includes(scale)) throw new OperandError(`scale ${scale as number} is not 1, 2, 4 or 8`);
  if (!Number.isInteger(disp) || disp !== (disp | 0)) {
    throw new OperandError(`displacement ${disp} does not fit in 32 bits, signed`);
  }
  return new Memory(base, index, scale, disp, segment, null, size);
}

export const mem8 = (description: MemoryDescription): Memory => mem({ ...description, size: 8 });
export const mem16 = (description: MemoryDescription): Memory => mem({ ...description, size: 16 });
export const mem32 = (description: MemoryDescription): Memory => mem({ ...description, size: 32 });
export const mem64 = (description: MemoryDescription): Memory => mem({ ...description, size: 64 });

/** `symbol+addend(%rip)`; a label of the same assembler works as well. */
export function rip(symbol: string | Label, addend = 0, size: Size | null = null): Memory {
  return new Memory(null, null, 1, addend, null, symbol, size);
}

export const rip8 = (symbol: string | Label, addend = 0): Memory => rip(symbol, addend, 8);
export const rip16 = (symbol: string | Label, addend = 0): Memory => rip(symbol, addend, 16);
export const rip32 = (symbol: string | Label, addend = 0): Memory => rip(symbol, addend, 32);
export const rip64 = (symbol: string | Label, addend = 0): Memory => rip(symbol, addend, 64);
