// Call frame information: how a debugger gets from one frame to its caller. DWARF 5, section 6.4; the register numbers are
// those of the psABI, figure 3.36.
//
// The launcher has a .debug_frame section, which is not loaded: engine code is on no link map, so nothing in the process
// would look for an .eh_frame. The table is made of *rows*: each says how the frames of the instructions from its label
// on are unwound, up to the next row's label. Compiled code has rows that follow rsp (../x64/frame-rows.ts); the gates,
// which change stacks, state theirs (../gates/unwinding.ts).
//
//   CFA     for a row of compiled code rsp + depth, where depth counts the return address
//   rsp     the CFA, always: that is the debuggers' default

import type { Label } from "../x64/operands.js";

/** DWARF's register numbers, by the processor's. */
const DWARF_REGISTERS = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15] as const;
export const dwarfRegister = (number: number): number => DWARF_REGISTERS[number] as number;
export const DWARF_RSP = 7;
/** The return address. */
export const DWARF_RIP = 16;

/** A row that follows rsp. */
export interface TrackedRow {
  readonly label: Label;
  /** Whether a function begins here. */
  readonly isEntry: boolean;
  /** CFA - rsp. */
  readonly depth: number;
  /** By DWARF register: CFA - place, for registers that are saved. */
  readonly saved: ReadonlyMap<number, number>;
}

/** A row with rules of its own. */
export interface StatedRow {
  readonly label: Label;
  /** Call frame instructions. */
  readonly rules: readonly number[];
  /** Whether the frame is a signal's: then the caller's counter is where it goes on, not behind a call. */
  readonly isSignal: boolean;
}

export type FrameRow = TrackedRow | StatedRow;

// ---- encoding

function uleb(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest === 0 ? 0 : 0x80));
    value = rest;
  } while (value !== 0);
  return bytes;
}

function sleb(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const byte = value & 0x7f;
    value >>= 7;
    const isLast = (value === 0 && (byte & 0x40) === 0) || (value === -1 && (byte & 0x40) !== 0);
    bytes.push(isLast ? byte : byte | 0x80);
    if (isLast) return bytes;
  }
}

/** DW_OP_*: what an expression does, on a stack of 64-bit values. */
export const operation = {
  deref: [0x06],
  duplicate: [0x12],
  plus: [0x22],
  /** Pushes register + offset. */
  register: (dwarf: number, offset: number): number[] => [0x70 + dwarf, ...sleb(offset)],
  add: (value: number): number[] => [0x23, ...uleb(value)],
  /** Replaces an address by the i32 there. */
  derefSigned32: [0x94, 4, 0x08, 32, 0x24, 0x08, 32, 0x26],
} as const;

/** DW_CFA_*: the rules of a row. */
export const rule = {
  cfa: (dwarf: number, offset: number): number[] => [0x0c, ...uleb(dwarf), ...uleb(offset)],
  cfaExpression: (expression: readonly number[]): number[] => [0x0f, ...uleb(expression.length), ...expression],
  /** The caller's register is at the address that the expression gives. */
  savedAt: (dwarf: number, expression: readonly number[]): number[] => {
    return [0x10, ...uleb(dwarf), ...uleb(expression.length), ...expression];
  },
  /** The caller's register has the value that the expression gives. */
  value: (dwarf: number, expression: readonly number[]): number[] => {
    return [0x16, ...uleb(dwarf), ...uleb(expression.length), ...expression];
  },
  /** For the return address: nobody called. */
  undefined: (dwarf: number): number[] => [0x07, ...uleb(dwarf)],
} as const;

const DATA_ALIGNMENT = -8;
const defCfaOffset = (offset: number): number[] => [0x0e, ...uleb(offset)];
const offsetFromCfa = (dwarf: number, distance: number): number[] => [
  0x80 | dwarf,
  ...uleb(distance / -DATA_ALIGNMENT),
];
const restore = (dwarf: number): number[] => [0xc0 | dwarf];

function advance(distance: number): number[] {
  if (distance < 0x40) return [0x40 | distance];
  if (distance < 0x100) return [0x02, distance];
  return distance < 0x10000 ? [0x03, distance & 0xff, distance >> 8] : advance32(distance);
}
const advance32 = (distance: number): number[] => [0x04, ...[0, 8, 16, 24].map((shift) => (distance >> shift) & 0xff)];

const CIE_ID = 0xffffffff;
const VERSION = 4;
const ADDRESS_SIZE = 8;
const DW_CFA_NOP = 0;

class Table {
  readonly bytes: number[] = [];

  private u32(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.bytes.push((value >>> shift) & 0xff);
  }

  private entry(content: readonly number[]): void {
    // The length's own four bytes do not count.
    const padding = (8 - ((content.length + 4) % 8)) % 8;
    this.u32(content.length + padding);
    this.bytes.push(...content, ...new Array<number>(padding).fill(DW_CFA_NOP));
  }

  /** Common information: the state at a function's first instruction. Gives its offset. */
  common(isSignal: boolean): number {
    const offset = this.bytes.length;
    const augmentation = isSignal ? [0x53, 0] : [0];
    this.entry([
      ...word32(CIE_ID),
      ...[VERSION, ...augmentation, ADDRESS_SIZE, 0],
      ...[...uleb(1), ...sleb(DATA_ALIGNMENT), ...uleb(DWARF_RIP)],
      ...[...rule.cfa(DWARF_RSP, 8), ...offsetFromCfa(DWARF_RIP, 8)],
    ]);
    return offset;
  }

  describe(common: number, start: number, end: number, instructions: readonly number[]): void {
    this.entry([...word32(common), ...word64(start), ...word64(end - start), ...instructions]);
  }
}

const word32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
const word64 = (value: number): number[] => [...word32(value), 0, 0, 0, 0];

/** The instructions that lead from one row to the next. */
function change(from: TrackedRow, to: TrackedRow): number[] {
  const instructions = from.depth === to.depth ? [] : defCfaOffset(to.depth);
  for (const dwarf of from.saved.keys()) if (!to.saved.has(dwarf)) instructions.push(...restore(dwarf));
  for (const [dwarf, distance] of to.saved) {
    if (from.saved.get(dwarf) !== distance) instructions.push(...offsetFromCfa(dwarf, distance));
  }
  return instructions;
}

/**
 * Makes .debug_frame.
 * @param rows in order of address
 * @param start address of the section that the labels are in; addresses are the linker's, not the process's
 * @param end where the last row ends
 */
export function encodeCallFrames(rows: readonly FrameRow[], start: number, end: number): Uint8Array {
  const table = new Table();
  const ordinary = table.common(false);
  const signal = table.common(true);
  const at = (index: number): number => {
    const row = rows[index];
    return row === undefined ? end : start + row.label.offset;
  };
  for (let i = 0; i < rows.length;) {
    const first = rows[i] as FrameRow;
    if ("rules" in first) {
      if (at(i) < at(i + 1)) table.describe(first.isSignal ? signal : ordinary, at(i), at(i + 1), first.rules);
      i++;
      continue;
    }
    const instructions: number[] = [];
    let last = first;
    let lastAt = at(i);
    let next = i + 1;
    for (; next < rows.length; next++) {
      const row = rows[next] as FrameRow;
      if ("rules" in row || row.isEntry) break;
      const changes = change(last, row);
      if (changes.length > 0) {
        instructions.push(...(at(next) > lastAt ? advance(at(next) - lastAt) : []), ...changes);
        lastAt = at(next);
      }
      last = row;
    }
    if (at(i) < at(next)) table.describe(ordinary, at(i), at(next), instructions);
    i = next;
  }
  return Uint8Array.from(table.bytes);
}
