// Where the values of a function are while it is compiled: the operand stack, registers, slots, homes of locals.
//
// The operand stack exists at compile time only (operand.ts says what an entry can be). An operand that was popped keeps
// its register until `release` or `done`; `allocate` spills the deepest entry of the stack when no register is free.
// Results go straight to the local that the next instruction sets, where that is possible (`destinationHint`).

import type { FunctionBody, Instruction } from "../wasm/function-body.js";
import type { ValueType } from "../wasm/module.js";
import type { Type } from "../wasm/opcodes.js";
import { isRegister, type Allocation, type Home } from "./allocation.js";
import {
  Assembler,
  Memory,
  Register,
  mem,
  rax,
  register,
  rsp,
  type Condition,
  type Place,
  type Scale,
} from "./assembler.js";
import { callerSavedHomes, isCalleeSaved, operandRegisters } from "./convention.js";
import type { Operand } from "./operand.js";

export const sizeOfType = (type: ValueType): 32 | 64 => (type === "i64" || type === "f64" ? 64 : 32);

/** A move between registers, by number. */
export interface Move {
  to: number;
  from: number;
}

export class OperandStack {
  readonly stack: Operand[] = [];
  /** Instruction being compiled. */
  at = 0;
  /** Slots of operands that were needed. */
  usedSlots = 0;

  /** Registers that hold an operand, on the stack or just popped, as a bit set. */
  protected owned = 0;
  /** A copy: conditions that are decided early turn instructions into nops. */
  protected readonly instructions: Instruction[];
  private readonly pool: readonly number[];

  /** What the flags say, if the instruction that set them was the last one. */
  private flags = { offset: -1, register: -1, size: 0, areLogical: false };

  constructor(
    readonly a: Assembler,
    readonly body: FunctionBody,
    protected readonly allocation: Allocation,
    /** Words at the bottom of the frame that calls use. */
    private readonly outgoing: number,
  ) {
    this.instructions = [...body.instructions];
    const homes = new Set(allocation.homes.filter(isRegister));
    this.pool = [
      ...operandRegisters.map(({ number }) => number),
      ...callerSavedHomes.map(({ number }) => number),
    ].filter((number) => !homes.has(number));
  }

  get instruction(): Instruction {
    return this.instructions[this.at] as Instruction;
  }

  instructionAt(at: number): Instruction {
    return this.instructions[at] as Instruction;
  }

  get next(): Instruction {
    return this.instructions[this.at + 1] as Instruction;
  }

  protected localSlot(home: Home): Memory {
    return mem({ base: rsp, disp: 8 * (this.outgoing + ~home), size: 64 });
  }

  protected operandSlot(slot: number, size: 32 | 64 = 64): Memory {
    this.usedSlots = Math.max(this.usedSlots, slot + 1);
    return mem({ base: rsp, disp: 8 * (this.outgoing + this.allocation.slotCount + slot), size });
  }

  // ---- flags ----

  /** The flags are as `test` on this register would set them; without `areLogical`, only the zero flag is. */
  flagsAreOf(of: Register, areLogical: boolean): void {
    this.flags = { offset: this.a.offset, register: of.number, size: of.size, areLogical };
  }

  /** Sets the flags as `test %of, %of` does, unless they are so already. */
  testRegister(of: Register, condition: Condition): void {
    const { offset, register: number, size, areLogical } = this.flags;
    const areKnown = offset === this.a.offset && number === of.number && size === of.size && !this.a.isBoundHere;
    if (!areKnown || !(areLogical || condition === "e" || condition === "ne")) this.a.test(of, of);
  }

  // ---- the stack ----

  push(operand: Operand): void {
    this.stack.push(operand);
  }

  pushRegister(type: Type, of: Register): void {
    this.owned |= 1 << of.number;
    this.stack.push({ kind: "register", type, register: of.number });
  }

  pushConstant(type: Type, value: bigint): void {
    this.stack.push({ kind: "constant", type, value });
  }

  pop(): Operand {
    const operand = this.stack.pop();
    if (operand === undefined) throw new Error(`${this.body.wasm.name}: the operand stack is empty at ${this.at}`);
    return operand;
  }

  /** The operand's register, if it has one, is free for others. */
  release(operand: Operand): void {
    if (operand.kind === "register" || operand.kind === "sum") this.owned &= ~(1 << operand.register);
    else if (operand.kind === "memory") this.done(operand.place);
  }

  /** The register that an operand sits in, its own or a local's home, or -1. */
  registerOf(operand: Operand): number {
    if (operand.kind === "register") return operand.register;
    if (operand.kind === "local") return Math.max(this.home(operand.local), -1);
    return -1;
  }

  home(local: number): Home {
    return this.allocation.homes[local] as Home;
  }

  // ---- registers ----

  /** Takes a register for an operand, spilling the deepest entry of the stack when none is free. */
  allocate(avoid = 0): Register {
    for (const number of this.pool) {
      if (((this.owned | avoid) & (1 << number)) === 0) return this.own(number);
    }
    for (const [depth, operand] of this.stack.entries()) {
      if (operand.kind !== "register" && operand.kind !== "sum") continue;
      if ((avoid & (1 << operand.register)) !== 0 || !this.pool.includes(operand.register)) continue;
      this.spill(depth);
      return this.own(operand.register);
    }
    throw new Error(`${this.body.wasm.name}: no register is left at instruction ${this.at}`);
  }

  protected own(number: number): Register {
    this.owned |= 1 << number;
    return register(number, 64);
  }

  free(of: Register): void {
    this.owned &= ~(1 << of.number);
  }

  /** After an unconditional branch: no operand is left in a register. */
  protected unwind(): void {
    this.owned = 0;
  }

  /** Takes this very register; an entry of the stack that has it moves elsewhere. Popped operands must not have it. */
  acquire(of: Register, avoid = 0): void {
    if ((this.owned & (1 << of.number)) === 0) {
      this.own(of.number);
      return;
    }
    const depth = this.stack.findIndex((entry) => "register" in entry && entry.register === of.number);
    const operand = this.stack[depth];
    if (operand?.kind !== "register" && operand?.kind !== "sum")
      throw new Error(`${this.body.wasm.name}: ${of} is taken at instruction ${this.at}`);
    const other = this.pool.find((number) => ((this.owned | avoid) & (1 << number)) === 0);
    if (other === undefined) {
      this.spill(depth);
    } else {
      this.a.mov(this.own(other), of);
      this.stack[depth] = { ...operand, register: other };
    }
    this.own(of.number);
  }

  /** Moves an entry of the stack to its slot. Emits only `mov`: flags survive. */
  private spill(depth: number): void {
    const operand = this.stack[depth] as Operand;
    if (operand.kind === "slot" || operand.kind === "constant") return;
    this.store(this.operandSlot(depth), operand);
    this.release(operand);
    this.stack[depth] = { kind: "slot", type: operand.type, slot: depth };
  }

  /** Spills the entries from `from` to `to` so that nothing but constants and slots is left. */
  flush(to = this.stack.length, from = 0): void {
    for (let depth = from; depth < to; depth++) this.spill(depth);
  }

  /** Before a call: what would not survive it goes to slots. */
  flushForCall(): void {
    for (const [depth, operand] of this.stack.entries()) {
      if (operand.kind === "register" || operand.kind === "sum") this.spill(depth);
      else if (operand.kind === "local" && isRegister(this.home(operand.local))) {
        if (!isCalleeSaved(this.home(operand.local))) this.spill(depth);
      }
    }
  }

  // ---- reading operands ----

  /** Where the operand can be read, without a register if it has none: a register, or a stack slot. */
  protected place(operand: Operand): Place | null {
    const size = sizeOfType(operand.type);
    if (operand.kind === "register") return register(operand.register, size);
    if (operand.kind === "slot") return this.operandSlot(operand.slot, size);
    if (operand.kind === "memory") return operand.place;
    if (operand.kind !== "local") return null;
    const home = this.home(operand.local);
    if (isRegister(home)) return register(home, size);
    return mem({ base: rsp, disp: 8 * (this.outgoing + ~home), size });
  }

  /** Copies an operand into a register, whole and zero-extended. Flags survive unless the operand is in them. */
  load(into: Register, operand: Operand): void {
    const { a } = this;
    const to = register(into.number, sizeOfType(operand.type));
    if (operand.kind === "constant") this.loadConstant(into, operand.type, operand.value);
    else if (operand.kind === "flags") {
      a.setcc(operand.condition, register(into.number, 8));
      a.movzx(register(into.number, 32), register(into.number, 8));
    } else if (operand.kind === "sum") this.loadSum(into, operand, operand.register);
    else {
      const from = this.place(operand) as Place;
      if (!(from instanceof Register && from.number === to.number)) a.mov(to, from);
    }
  }

  /** lea: flags survive. */
  private loadSum(into: Register, { scale, disp }: { scale: Scale; disp: number }, from: number): void {
    const of = register(from, 64);
    const place = scale === 1 ? mem({ base: of, disp }) : mem({ index: of, scale, disp });
    this.a.lea(register(into.number, 32), place);
  }

  private loadConstant(into: Register, type: Type, value: bigint, flagsAreFree = false): void {
    if (value === 0n && flagsAreFree) this.a.xor(register(into.number, 32), register(into.number, 32));
    else if (value <= 0xffffffffn) this.a.mov(register(into.number, 32), value);
    else this.a.mov(register(into.number, sizeOfType(type)), value);
  }

  /** Copies an operand to 64 bits of memory, zero-extended. Takes no register; flags survive. */
  store(to: Memory, operand: Operand): void {
    const { a } = this;
    if (operand.kind === "flags") throw new Error(`${this.body.wasm.name}: a condition outlives its flags`);
    if (operand.kind === "constant") {
      const { value } = operand;
      if (BigInt.asIntN(32, value) === BigInt.asIntN(64, value)) a.mov(to, BigInt.asIntN(32, value));
      else {
        a.mov(mem({ base: rsp, disp: to.disp, size: 32 }), value & 0xffffffffn);
        a.mov(mem({ base: rsp, disp: to.disp + 4, size: 32 }), value >> 32n);
      }
      return;
    }
    if (operand.kind === "sum") return this.storeSum(to, operand);
    const from = this.place(operand) as Place;
    if (from instanceof Register) {
      a.mov(to, register(from.number, 64));
    } else if (from.disp !== to.disp) {
      // Addresses on both sides of push and pop come out as if rsp stood still.
      a.push(mem({ base: rsp, disp: from.disp, size: 64 }));
      a.pop(to);
    }
  }

  /** In rax, which is kept on the stack meanwhile: the sum's register may be a local's home. */
  private storeSum(to: Memory, sum: Operand & { kind: "sum" }): void {
    const { a } = this;
    a.push(rax);
    this.loadSum(rax, sum, sum.register);
    a.mov(mem({ base: rsp, disp: to.disp + 8, size: 64 }), rax);
    a.pop(rax);
  }

  /** A register to read the operand from: its own, a local's home, or a new one. Give it back with `done`. */
  toRegister(operand: Operand, avoid = 0): Register {
    const size = sizeOfType(operand.type);
    const number = this.registerOf(operand);
    if (number >= 0 && (avoid & (1 << number)) === 0) return register(number, size);
    const isOwn = operand.kind === "sum" && (this.owned & ~avoid & (1 << operand.register)) !== 0;
    const into = isOwn ? register(operand.register, 64) : this.allocate(avoid);
    this.load(into, operand);
    if (!isOwn) this.release(operand);
    return register(into.number, size);
  }

  /** The operand, computed where it was a sum. */
  settle(operand: Operand): Operand {
    if (operand.kind !== "sum") return operand;
    return { kind: "register", type: "i32", register: this.toRegister(operand).number };
  }

  /** Gives back what toRegister or toSource took. Homes of locals are not owned unless `destination` took them over. */
  done(of: Place | bigint): void {
    if (of instanceof Register) this.free(of);
    if (!(of instanceof Memory)) return;
    if (of.index !== null) this.free(of.index);
    if (of.base !== null) this.free(of.base);
  }

  /** What an instruction can take as its source: a register, a stack slot or an immediate of 32 bits sign-extended. */
  toSource(operand: Operand): Place | bigint {
    if (operand.kind === "constant") {
      const value = BigInt.asIntN(sizeOfType(operand.type), operand.value);
      return value === BigInt.asIntN(32, value) ? value : this.toRegister(operand);
    }
    if (operand.kind === "flags" || operand.kind === "sum") return this.toRegister(operand);
    return this.place(operand) as Place;
  }

  // ---- results, and the locals that they go to ----

  /**
   * The home of the local that the next instruction sets to the result of this one, when it is a register; entries of
   * the stack that read the home are copied away. Call it once the operands are popped.
   */
  destinationHint(): number {
    const { name, index } = this.next;
    if ((name !== "local.set" && name !== "local.tee") || this.allocation.deadWrites.has(this.at + 1)) return -1;
    const home = this.home(index);
    if (!isRegister(home)) return -1;
    this.saveReadersOf(home);
    return home;
  }

  /**
   * The home of the local that is set soon, to what a constant makes of this instruction's result: a register for the
   * result, since nobody else needs it in between. Owned, or null.
   */
  homeAhead(): Register | null {
    const [constant, operator, set] = [1, 2, 3].map((distance) => this.instructions[this.at + distance]);
    if (
      !/^i(32|64)\.const$/.test(constant?.name ?? "") ||
      !/\.(and|or|xor|add|sub|sh[lr](_[su])?)$/.test(operator?.name ?? "")
    ) {
      return null;
    }
    if (set?.name !== "local.set" || this.allocation.deadWrites.has(this.at + 3)) return null;
    const home = this.home(set.index);
    if (!isRegister(home)) return null;
    this.saveReadersOf(home);
    return (this.owned & (1 << home)) !== 0 ? null : this.own(home);
  }

  /** The instruction's result is in `of`: pushed, or already where the local.set behind it wants it. */
  result(type: Type, of: Register, hint: number): void {
    if (hint < 0 || of.number !== hint) {
      this.pushRegister(type, of);
      return;
    }
    // The home is its local's again, whoever took it over.
    this.free(of);
    this.at++;
    if (this.instruction.name === "local.tee")
      this.push({ kind: "local", type, local: this.instruction.index, isLast: false });
  }

  /** A result that an instruction left in a fixed register, which is owned. */
  resultIn(type: Type, of: Register): void {
    const hint = this.destinationHint();
    if (hint < 0) {
      this.pushRegister(type, of);
      return;
    }
    this.a.mov(register(hint, sizeOfType(type)), register(of.number, sizeOfType(type)));
    this.free(of);
    this.result(type, register(hint, 64), hint);
  }

  /**
   * The register to compute a result in: the hint, else the register of an operand that is used up, else a new one. An
   * operand that was the last to read its local hands its home over, until the home's next local is written.
   */
  destination(hint: number, reuse: Operand | null, avoid = 0): Register {
    if (hint >= 0) return register(hint, 64);
    if (reuse === null) return this.allocate(avoid);
    const isOwned = reuse.kind === "register" || reuse.kind === "sum";
    if (isOwned && (this.owned & ~avoid & (1 << reuse.register)) !== 0) return register(reuse.register, 64);
    if (reuse.kind === "local" && reuse.isLast) {
      const home = this.home(reuse.local);
      const isFree = isRegister(home) && ((this.owned | avoid) & (1 << home)) === 0;
      if (isFree && !this.stack.some((operand) => this.readsHome(operand, home))) return this.own(home);
    }
    return this.allocate(avoid);
  }

  private readsHome(operand: Operand, home: Home): boolean {
    if (operand.kind === "local") return this.home(operand.local) === home;
    return (operand.kind === "register" || operand.kind === "sum") && operand.register === home;
  }

  private saveReadersOf(home: Home): void {
    for (const [depth, operand] of this.stack.entries()) {
      if (!this.readsHome(operand, home)) continue;
      const into = this.allocate();
      this.load(into, operand);
      this.release(operand);
      this.stack[depth] = { kind: "register", type: operand.type, register: into.number };
    }
  }

  protected setLocal(local: number, keep: boolean): void {
    const home = this.home(local);
    const operand = isRegister(home) ? this.pop() : this.settle(this.pop());
    const type = operand.type;
    if (this.allocation.deadWrites.has(this.at)) {
      if (keep) this.push(operand);
      else this.release(operand);
      return;
    }
    this.saveReadersOf(home);
    if (isRegister(home) && operand.kind === "constant") {
      this.loadConstant(register(home, 64), type, operand.value, true);
    } else if (isRegister(home)) this.load(register(home, 64), operand);
    else this.store(this.localSlot(home), operand);
    if (keep && operand.kind === "register" && !isRegister(home)) {
      this.push(operand);
      return;
    }
    this.release(operand);
    if (keep) this.push(operand.kind === "constant" ? operand : { kind: "local", type, local, isLast: false });
  }

  // ---- many at once ----

  /** Puts popped operands into registers all at once. Everything else that is in registers must be saved before. */
  loadArguments(operands: readonly Operand[], into: readonly Register[]): void {
    const moves: Move[] = [];
    for (const [i, operand] of operands.entries()) {
      const from = operand.kind === "sum" ? operand.register : this.registerOf(operand);
      if (from >= 0) moves.push({ to: (into[i] as Register).number, from });
    }
    this.parallelMove(moves);
    for (const [i, operand] of operands.entries()) {
      if (operand.kind === "sum") this.loadSum(into[i] as Register, operand, (into[i] as Register).number);
      else if (operand.kind === "constant") this.loadConstant(into[i] as Register, operand.type, operand.value, true);
      else if (this.registerOf(operand) < 0) this.load(into[i] as Register, operand);
    }
  }

  /** Moves between registers as if all happened at once; cycles turn by xchg. Flags survive. */
  protected parallelMove(moves: readonly Move[]): void {
    let pending = moves.filter(({ to, from }) => to !== from).map((move) => ({ ...move }));
    while (pending.length > 0) {
      const ready = pending.find(({ to }) => !pending.some(({ from }) => from === to));
      if (ready !== undefined) {
        this.a.mov(register(ready.to, 64), register(ready.from, 64));
        pending = pending.filter((move) => move !== ready);
        continue;
      }
      const { to, from } = pending[0] as Move;
      this.a.xchg(register(to, 64), register(from, 64));
      // What was in `to` is in `from`, and the other way round.
      for (const move of pending) {
        if (move.from === to) move.from = from;
        else if (move.from === from) move.from = to;
      }
      pending = pending.filter((move) => move.to !== move.from);
    }
  }
}
