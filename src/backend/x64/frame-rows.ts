// Follows rsp while code is assembled, so that a debugger can unwind it (../elf/call-frames.ts).
//
// Compiled functions and routines keep to one shape, which is all that is understood here: registers are saved by `push`
// before they change, rsp moves by `push`, `pop`, and `add` and `sub` of constants, and a run of instructions that
// shrink the frame in front of `ret` is an epilogue, behind which the code goes on with the frame as it was before it.
// A function starts with nothing but its return address on the stack.

import { DWARF_RIP, dwarfRegister, rule, type FrameRow, type TrackedRow } from "../elf/call-frames.js";
import type { Label } from "./operands.js";

const RETURN_ADDRESS = 8;
/** rbx, rbp, r12-r15: whoever pushes one of them first saves the caller's. */
const PRESERVED = new Set([3, 5, 12, 13, 14, 15]);

interface State {
  depth: number;
  saved: ReadonlyMap<number, number>;
}

export interface FrameCheckpoint {
  readonly rows: number;
  readonly state: State;
}

export class FrameRows {
  readonly rows: FrameRow[] = [];
  private state: State = { depth: RETURN_ADDRESS, saved: new Map() };
  /** The state in front of the run of shrinking instructions that ends at `epilogueEnd`. */
  private beforeEpilogue: State = this.state;
  private epilogueEnd = -1;
  /** Rows are stated: rsp is not followed. */
  private isStated = false;

  /** @param here binds a new label to the next byte */
  constructor(private readonly here: () => Label) {}

  private add(state: State, isEntry = false): void {
    // Code that takes more from the stack than its own is not of this shape: nobody knows its caller.
    if (state.depth < RETURN_ADDRESS) return this.stateRules(rule.undefined(DWARF_RIP), false);
    this.state = state;
    const row: TrackedRow = { label: this.here(), isEntry, ...state };
    this.rows.push(row);
  }

  /** A function begins. */
  enter(): void {
    this.isStated = false;
    this.epilogueEnd = -1;
    this.add({ depth: RETURN_ADDRESS, saved: new Map() }, true);
  }

  /** Rules that hold from here up to the next statement or function. */
  stateRules(rules: readonly number[], isSignal: boolean): void {
    this.isStated = true;
    this.rows.push({ label: this.here(), rules, isSignal });
  }

  pushed(register: number | null): void {
    if (this.isStated) return;
    const depth = this.state.depth + 8;
    const saved = new Map(this.state.saved);
    if (register !== null && PRESERVED.has(register) && !saved.has(dwarfRegister(register))) {
      saved.set(dwarfRegister(register), depth);
    }
    this.add({ depth, saved });
  }

  /**
   * @param register the one that is popped, or null where the value goes elsewhere
   * @param start offset of the instruction in the section
   */
  popped(register: number | null, start: number, end: number): void {
    if (this.isStated) return;
    const { depth, saved } = this.state;
    if (register === null) return this.add({ depth: depth - 8, saved });
    const left = new Map(saved);
    const dwarf = dwarfRegister(register);
    if (left.get(dwarf) === depth) left.delete(dwarf);
    this.shrink({ depth: depth - 8, saved: left }, start, end);
  }

  /** rsp is moved by a constant. */
  moved(distance: number, start: number, end: number): void {
    if (this.isStated) return;
    const state = { depth: this.state.depth - distance, saved: this.state.saved };
    if (distance < 0) this.add(state);
    else this.shrink(state, start, end);
  }

  private shrink(state: State, start: number, end: number): void {
    if (start !== this.epilogueEnd) this.beforeEpilogue = this.state;
    this.epilogueEnd = end;
    this.add(state);
  }

  returned(start: number): void {
    if (this.isStated || start !== this.epilogueEnd) return;
    this.add(this.beforeEpilogue);
  }

  checkpoint(): FrameCheckpoint {
    return { rows: this.rows.length, state: this.state };
  }

  rewind(to: FrameCheckpoint): void {
    this.rows.length = to.rows;
    this.state = to.state;
    this.epilogueEnd = -1;
  }
}
