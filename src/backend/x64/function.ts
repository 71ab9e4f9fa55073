// One function of wasm to machine code, in one pass over its instructions.
//
// The operand stack exists at compile time only (operand.ts). Its entries are spilled to stack slots where control flow
// joins and across calls; a block's single result meets in one register. The frame, from rsp upwards:
//
//   outgoing arguments and results | slots of locals | slots of operands | saved registers | return address | arguments
//
// How many operand slots a function needs is known only at its end: compileFunction assumes a number and does the
// function again with the right one where the assumption was wrong.

import type { FunctionBody, Instruction } from "../wasm/function-body.js";
import type { FunctionType, Module, ValueType } from "../wasm/module.js";
import type { Type } from "../wasm/opcodes.js";
import { allocate, isRegister, type Allocation, type Home } from "./allocation.js";
import {
  Assembler,
  Memory,
  Register,
  mem,
  negate,
  rax,
  register,
  rip,
  rsp,
  type Condition,
  type Label,
  type Place,
} from "./assembler.js";
import { findShortCircuit, type ShortCircuit } from "./short-circuit.js";
import { splitLocals } from "./webs.js";
import { argumentRegisters, callerSavedHomes, isCalleeSaved, operandRegisters } from "./convention.js";
import type { Operand } from "./operand.js";
import { compileOperator } from "./operators.js";

/** What functions need to know of the module that they are in. */
export interface ModuleContext {
  readonly module: Module;
  /** Symbol of a function that the module defines. */
  symbolOf(index: number): string;
  /** Displacement from the memory base, for a mutable global; the value, for a constant. */
  global(index: number): { displacement: number } | { value: bigint };
  /** Number of a signature: equal for equal signatures. */
  signature(type: FunctionType): number;
  /** Compiles a call of an imported function in place. */
  intrinsic(compiler: FunctionCompiler, index: number): void;
  /** Whether that code calls a routine. */
  intrinsicCalls(index: number): boolean;
  readonly memoryPages: number;
  readonly tableSize: number;
}

interface Frame {
  readonly kind: "function" | "block" | "loop" | "if";
  readonly opener: number;
  readonly type: FunctionType;
  /** Operands below the construct's parameters. */
  readonly height: number;
  /** Where branches go. */
  readonly label: Label;
  readonly elseLabel: Label;
  /** The register where a single result meets, or -1: results meet in their slots. */
  readonly merge: number;
}

interface Move {
  to: number;
  from: number;
}

/**
 * Straight-line code between a loop's start and its first conditional branch. A jump back to the loop does it again in
 * place and jumps behind that branch: one jump a turn instead of two.
 */
interface LoopTop {
  readonly start: number;
  /** The `if` or `br_if`. */
  readonly end: number;
  /** Behind the conditional branch. */
  readonly inside: Label;
}

const LOOP_TOP_MAX = 16;

export const sizeOfType = (type: ValueType): 32 | 64 => (type === "i64" ? 64 : 32);

export function compileFunction(assembler: Assembler, context: ModuleContext, body: FunctionBody): void {
  const split = splitLocals(body);
  const allocation = allocate(split, (instruction) => isCall(context, instruction));
  const start = assembler.checkpoint();
  let operandSlots = 0;
  for (;;) {
    const compiler = new FunctionCompiler(assembler, context, split, allocation, operandSlots);
    compiler.run();
    if (compiler.usedSlots === operandSlots) return assembler.relax(start);
    operandSlots = compiler.usedSlots;
    assembler.rewind(start);
  }
}

/** Whether the instruction may leave nothing in caller-saved registers. */
function isCall(context: ModuleContext, { name, index }: Instruction): boolean {
  if (name === "call") {
    return index >= context.module.importedFunctions.length || context.intrinsicCalls(index);
  }
  return name === "call_indirect" || name === "memory.copy" || name === "memory.fill";
}

export class FunctionCompiler {
  readonly stack: Operand[] = [];
  /** Instruction being compiled. */
  at = 0;
  usedSlots = 0;

  private readonly frames: Frame[] = [];
  /** Registers that hold an operand, on the stack or just popped, as a bit set. */
  private owned = 0;
  /** By loop: the code from its start to its first conditional branch, which a jump back repeats. */
  private readonly loopTops = new Map<number, LoopTop>();
  /** By `if` or `br_if` that a part of its condition can decide: what is behind it, and where a false `if` goes. */
  private readonly decisions = new Map<number, { inside: Label; outside: Label }>();
  /** By comparison: found once, since the combining instruction is a nop afterwards; a loop's top comes here twice. */
  private readonly shortCircuits = new Map<number, ShortCircuit>();
  private readonly instructions: Instruction[];
  private readonly pool: readonly number[];
  private readonly outgoing: number;
  private readonly frameSize: number;
  private readonly returnLabel: Label;
  private returnUses = 0;
  private trapLabel: Label | null = null;

  constructor(
    readonly a: Assembler,
    readonly context: ModuleContext,
    readonly body: FunctionBody,
    private readonly allocation: Allocation,
    private readonly operandSlots: number,
  ) {
    this.instructions = [...body.instructions];
    const homes = new Set(allocation.homes.filter(isRegister));
    this.pool = [
      ...operandRegisters.map(({ number }) => number),
      ...callerSavedHomes.map(({ number }) => number),
    ].filter((number) => !homes.has(number));
    this.outgoing = outgoingWords(body.instructions);
    this.frameSize = 8 * (this.outgoing + allocation.slotCount + operandSlots);
    this.returnLabel = a.label();
  }

  run(): void {
    const { body } = this;
    this.prologue();
    this.frames.push({
      ...{
        kind: "function",
        opener: -1,
        type: body.wasm.type,
        height: 0,
        label: this.returnLabel,
        elseLabel: this.returnLabel,
      },
      merge: rax.number,
    });
    for (this.at = 0; this.at < this.instructions.length; this.at++) this.step(this.instruction);
    if (this.trapLabel !== null) {
      this.a.bind(this.trapLabel);
      this.a.ud2();
    }
  }

  get instruction(): Instruction {
    return this.instructions[this.at] as Instruction;
  }

  get next(): Instruction {
    return this.instructions[this.at + 1] as Instruction;
  }

  // ---- frame ----

  private prologue(): void {
    const { a, allocation, body } = this;
    for (const number of allocation.saved) a.push(register(number, 64));
    if (this.frameSize > 0) a.sub(rsp, this.frameSize);
    const moves: Move[] = [];
    const loads: (() => void)[] = [];
    for (const [local, home] of allocation.homes.entries()) {
      if (allocation.liveAtEntry[local] !== true) continue;
      const argument = argumentRegisters[local];
      const isParameter = local < body.wasm.type.params.length;
      if (isParameter && argument !== undefined) {
        if (isRegister(home)) moves.push({ to: home, from: argument.number });
        else a.mov(this.localSlot(home), argument);
      } else if (isParameter) {
        const place = this.incoming(local - argumentRegisters.length);
        loads.push(() => {
          const into = isRegister(home) ? register(home, 64) : rax;
          a.mov(into, place);
          if (!isRegister(home)) a.mov(this.localSlot(home), into);
        });
      } else {
        loads.push(() => {
          if (isRegister(home)) a.xor(register(home, 32), register(home, 32));
          else a.mov(this.localSlot(home), 0);
        });
      }
    }
    this.parallelMove(moves);
    for (const load of loads) load();
  }

  private epilogue(): void {
    const { a } = this;
    if (this.frameSize > 0) a.add(rsp, this.frameSize);
    for (const number of [...this.allocation.saved].reverse()) a.pop(register(number, 64));
    a.ret();
  }

  /** Stack argument or stack result `word` of this function. */
  private incoming(word: number): Memory {
    return mem({ base: rsp, disp: this.frameSize + 8 * (this.allocation.saved.length + 1 + word), size: 64 });
  }

  private localSlot(home: Home): Memory {
    return mem({ base: rsp, disp: 8 * (this.outgoing + ~home), size: 64 });
  }

  private operandSlot(slot: number, size: 32 | 64 = 64): Memory {
    this.usedSlots = Math.max(this.usedSlots, slot + 1);
    return mem({ base: rsp, disp: 8 * (this.outgoing + this.allocation.slotCount + slot), size });
  }

  // ---- operands ----

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
    if (operand.kind === "register") this.owned &= ~(1 << operand.register);
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

  /** Takes a register for an operand, spilling the deepest entry of the stack when none is free. */
  allocate(avoid = 0): Register {
    for (const number of this.pool) {
      if (((this.owned | avoid) & (1 << number)) === 0) return this.own(number);
    }
    for (const [depth, operand] of this.stack.entries()) {
      if (operand.kind !== "register" || (avoid & (1 << operand.register)) !== 0) continue;
      this.spill(depth);
      return this.own(operand.register);
    }
    throw new Error(`${this.body.wasm.name}: no register is left at instruction ${this.at}`);
  }

  private own(number: number): Register {
    this.owned |= 1 << number;
    return register(number, 64);
  }

  free(of: Register): void {
    this.owned &= ~(1 << of.number);
  }

  /** Takes this very register; an entry of the stack that has it moves elsewhere. Popped operands must not have it. */
  acquire(of: Register, avoid = 0): void {
    if ((this.owned & (1 << of.number)) === 0) {
      this.own(of.number);
      return;
    }
    const depth = this.stack.findIndex((operand) => operand.kind === "register" && operand.register === of.number);
    const operand = this.stack[depth];
    if (operand === undefined) throw new Error(`${this.body.wasm.name}: ${of} is taken at instruction ${this.at}`);
    const other = this.pool.find((number) => ((this.owned | avoid) & (1 << number)) === 0);
    if (other === undefined) {
      this.spill(depth);
    } else {
      this.a.mov(this.own(other), of);
      this.stack[depth] = { kind: "register", type: operand.type, register: other };
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
      if (operand.kind === "register") this.spill(depth);
      else if (operand.kind === "local" && isRegister(this.home(operand.local))) {
        if (!isCalleeSaved(this.home(operand.local))) this.spill(depth);
      }
    }
  }

  /** Where the operand can be read, without a register if it has none: a register, or a stack slot. */
  private place(operand: Operand): Place | null {
    const size = sizeOfType(operand.type);
    if (operand.kind === "register") return register(operand.register, size);
    if (operand.kind === "slot") return this.operandSlot(operand.slot, size);
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
    } else {
      const from = this.place(operand) as Place;
      if (!(from instanceof Register && from.number === to.number)) a.mov(to, from);
    }
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
    const from = this.place(operand) as Place;
    if (from instanceof Register) {
      a.mov(to, register(from.number, 64));
    } else if (from.disp !== to.disp) {
      // Addresses on both sides of push and pop come out as if rsp stood still.
      a.push(mem({ base: rsp, disp: from.disp, size: 64 }));
      a.pop(to);
    }
  }

  /** A register to read the operand from: its own, a local's home, or a new one. Give it back with `done`. */
  toRegister(operand: Operand, avoid = 0): Register {
    const size = sizeOfType(operand.type);
    const number = this.registerOf(operand);
    if (number >= 0 && (avoid & (1 << number)) === 0) return register(number, size);
    const into = this.allocate(avoid);
    this.load(into, operand);
    this.release(operand);
    return register(into.number, size);
  }

  /** Gives back what toRegister or toSource took. Homes of locals were never taken. */
  done(of: Place | bigint): void {
    if (of instanceof Register && this.pool.includes(of.number)) this.free(of);
  }

  /** What an instruction can take as its source: a register, a stack slot or an immediate of 32 bits sign-extended. */
  toSource(operand: Operand): Place | bigint {
    if (operand.kind === "constant") {
      const value = BigInt.asIntN(sizeOfType(operand.type), operand.value);
      return value === BigInt.asIntN(32, value) ? value : this.toRegister(operand);
    }
    if (operand.kind === "flags") return this.toRegister(operand);
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

  /** The instruction's result is in `of`: pushed, or already where the local.set behind it wants it. */
  result(type: Type, of: Register, hint: number): void {
    if (hint < 0 || of.number !== hint) {
      this.pushRegister(type, of);
      return;
    }
    this.at++;
    if (this.instruction.name === "local.tee") this.push({ kind: "local", type, local: this.instruction.index });
  }

  /** The register to compute a result in: the hint, else the register of an operand that is used up, else a new one. */
  destination(hint: number, reuse: Operand | null, avoid = 0): Register {
    if (hint >= 0) return register(hint, 64);
    if (reuse !== null && reuse.kind === "register" && (avoid & (1 << reuse.register)) === 0) {
      return register(reuse.register, 64);
    }
    return this.allocate(avoid);
  }

  private saveReadersOf(home: Home): void {
    for (const [depth, operand] of this.stack.entries()) {
      if (operand.kind !== "local" || this.home(operand.local) !== home) continue;
      const into = this.allocate();
      this.load(into, operand);
      this.stack[depth] = { kind: "register", type: operand.type, register: into.number };
    }
  }

  private setLocal(local: number, keep: boolean): void {
    const operand = this.pop();
    const type = operand.type;
    if (this.allocation.deadWrites.has(this.at)) {
      if (keep) this.push(operand);
      else this.release(operand);
      return;
    }
    const home = this.home(local);
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
    if (keep) this.push(operand.kind === "constant" ? operand : { kind: "local", type, local });
  }

  // ---- conditions ----

  /** Whether the next instruction takes a condition straight from the flags. */
  get nextTakesFlags(): boolean {
    return this.takesFlags(this.at + 1);
  }

  private takesFlags(at: number): boolean {
    const { name } = this.instructions[at] as Instruction;
    if (name === "i32.eqz" || name === "nop") return this.takesFlags(at + 1);
    return name === "br_if" || name === "if" || name === "select" || name === "select_t";
  }

  /** The flags are set: push the condition, or its value where something else than a branch wants it. */
  pushCondition(condition: Condition): void {
    let holds = condition;
    while (this.nextTakesFlags && (this.next.name === "i32.eqz" || this.next.name === "nop")) {
      if (this.next.name === "i32.eqz") holds = negate(holds);
      this.at++;
    }
    if (!this.nextTakesFlags && this.decideEarly(holds)) return;
    if (this.nextTakesFlags) {
      this.push({ kind: "flags", type: "i32", condition: holds });
      return;
    }
    const hint = this.destinationHint();
    const into = this.destination(hint, null);
    this.load(into, { kind: "flags", type: "i32", condition: holds });
    this.result("i32", into, hint);
  }

  /** Branches on the condition where it decides a larger one. What is left of that is then the other operand alone. */
  private decideEarly(condition: Condition): boolean {
    const found = this.shortCircuits.get(this.at) ?? findShortCircuit(this.instructions, this.at);
    if (found === null) return false;
    const branch = this.instructions[found.branch] as Instruction;
    if (branch.name === "br_if" && this.valuesOf(branch) > 0) return false;
    let labels = this.decisions.get(found.branch);
    if (labels === undefined) {
      labels = { inside: this.a.label(), outside: this.a.label() };
      this.decisions.set(found.branch, labels);
    }
    this.shortCircuits.set(this.at, found);
    this.instructions[found.combiner] = { ...(this.instructions[found.combiner] as Instruction), name: "nop" };
    // The paths join behind the branch: what is on the stack must be in the same place on both.
    this.flush();
    let to = found.outcome ? labels.inside : labels.outside;
    if (branch.name === "br_if") {
      const frame = this.frameOf(branch.target);
      if (found.outcome && frame.kind === "function") this.returnUses++;
      to = found.outcome ? frame.label : labels.inside;
    }
    this.a.jcc(found.decidedBy ? condition : negate(condition), to);
    return true;
  }

  /** Pops an i32 as a condition: sets the flags if they are not set yet. */
  popCondition(): Condition {
    const operand = this.pop();
    if (operand.kind === "flags") return operand.condition;
    if (operand.kind === "constant") {
      const of = this.toRegister(operand);
      this.a.test(of, of);
      this.done(of);
      return "ne";
    }
    const from = this.place(operand) as Place;
    if (from instanceof Register) this.a.test(from, from);
    else this.a.cmp(from, 0);
    this.release(operand);
    return "ne";
  }

  // ---- control flow ----

  private step(instruction: Instruction): void {
    const { a } = this;
    switch (instruction.name) {
      case "nop":
        break;
      case "unreachable":
        a.ud2();
        this.unwind();
        break;
      case "block":
      case "loop":
      case "if":
        this.open(instruction);
        break;
      case "else":
        this.otherwise(instruction);
        break;
      case "end":
        this.close(instruction);
        break;
      case "br":
        this.branch(this.frameOf(instruction.target));
        this.unwind();
        break;
      case "br_if":
        this.branchIf(this.frameOf(instruction.target));
        break;
      case "br_table":
        this.branchTable(instruction);
        this.unwind();
        break;
      case "return":
        this.branch(this.frames[0] as Frame);
        this.unwind();
        break;
      case "call":
        if (instruction.index < this.context.module.importedFunctions.length) {
          this.context.intrinsic(this, instruction.index);
        } else {
          this.call(instruction.type as FunctionType, this.context.symbolOf(instruction.index));
        }
        break;
      case "call_indirect":
        this.callIndirect(instruction);
        break;
      case "drop":
        this.release(this.pop());
        break;
      case "local.get":
        this.push({ kind: "local", type: this.localType(instruction.index), local: instruction.index });
        break;
      case "local.set":
        this.setLocal(instruction.index, false);
        break;
      case "local.tee":
        this.setLocal(instruction.index, true);
        break;
      default:
        compileOperator(this, instruction);
    }
  }

  private localType(local: number): Type {
    return this.body.localTypes[local] as Type;
  }

  private frameOf(opener: number): Frame {
    return this.frames.find((frame) => frame.opener === opener) as Frame;
  }

  private open(instruction: Instruction): void {
    const { a } = this;
    const type = instruction.type as FunctionType;
    const kind = instruction.name as "block" | "loop" | "if";
    const condition = kind === "if" ? this.popCondition() : null;
    const top = this.endLoopTop();
    const height = this.stack.length - type.params.length;
    // A block that no branch leaves is no join: its operands may stay where they are.
    if (kind === "if" || instruction.branched) {
      this.flush();
      this.placeParameters(height);
    }
    const decision = this.decisions.get(this.at);
    const hasElse = instruction.elseAt !== -1;
    const label = decision !== undefined && !hasElse ? decision.outside : a.label();
    const elseLabel = decision !== undefined && hasElse ? decision.outside : a.label();
    if (condition !== null) a.jcc(negate(condition), hasElse ? elseLabel : label);
    if (decision !== undefined) a.bind(decision.inside);
    if (top !== undefined) a.bind(top.inside);
    if (kind === "loop" && instruction.branched) {
      a.bind(label);
      this.findLoopTop(instruction);
    }
    const merge = kind === "loop" ? -1 : this.mergeRegister(instruction, type);
    this.frames.push({ kind, opener: this.at, type, height, label, elseLabel, merge });
  }

  private findLoopTop(loop: Instruction): void {
    if ((loop.type as FunctionType).params.length > 0) return;
    for (let end = this.at + 1; end <= this.at + LOOP_TOP_MAX; end++) {
      const instruction = this.instructions[end] as Instruction;
      const { name } = instruction;
      if (name === "block" && (instruction.type as FunctionType).params.length === 0) continue;
      if (name === "if" || name === "br_if") {
        if (this.valuesOf(instruction) === 0) {
          this.loopTops.set(this.at, { start: this.at + 1, end, inside: this.a.label() });
        }
        return;
      }
      const { immediate } = instruction.operator;
      const isStraight = name.startsWith("local.") || name.startsWith("i32.") || name.startsWith("i64.");
      if (!isStraight && name !== "global.get") return;
      if (immediate !== "none" && name.includes("rmw")) return;
    }
  }

  private valuesOf({ name, type, target }: Instruction): number {
    if (name === "if") return (type as FunctionType).params.length;
    const frame = this.instructions[target];
    const types = frame === undefined ? this.body.wasm.type.results : (frame.type as FunctionType).results;
    return frame?.name === "loop" ? 1 : types.length;
  }

  /** The top that ends here, if the operand stack is as it was at the loop's start: else nobody can jump behind it. */
  private endLoopTop(): LoopTop | undefined {
    for (const [loop, top] of this.loopTops) {
      if (top.end !== this.at || top.inside.section !== -1) continue;
      if (this.stack.length === this.frameOf(loop).height) return top;
      this.loopTops.delete(loop);
    }
    return undefined;
  }

  /** The jump back lies inside the first arm of the top's `if`, or where the target of its `br_if` is open. */
  private canRepeat(top: LoopTop): boolean {
    const { name, elseAt, target } = this.instructions[top.end] as Instruction;
    if (name === "br_if") return this.frames.some((frame) => frame.opener === target);
    const isOpen = this.frames.some((frame) => frame.opener === top.end);
    return isOpen && (elseAt === -1 || this.at < elseAt);
  }

  /** A jump back to a loop whose top is known: the top again, then the conditional branch the other way round. */
  private repeatTop(frame: Frame, top: LoopTop): void {
    const { a } = this;
    const back = this.at;
    this.stack.length = frame.height;
    this.unwind();
    for (this.at = top.start; this.at < top.end; this.at++) {
      if (this.instruction.name !== "block") this.step(this.instruction);
    }
    this.at = back;
    const branch = this.instructions[top.end] as Instruction;
    const condition = this.popCondition();
    if (branch.name === "if") {
      a.jcc(condition, top.inside);
      const inner = this.frameOf(top.end);
      const isLast = branch.elseAt === -1 && branch.partner === back + 1;
      if (!isLast) a.jmp(branch.elseAt === -1 ? inner.label : inner.elseLabel);
    } else {
      a.jcc(negate(condition), top.inside);
      const target = this.frameOf(branch.target);
      if (target.kind === "function") this.jumpToReturn();
      else a.jmp(target.label);
    }
  }

  /** Parameters of a construct are in their slots, constants too: the code inside does not know what they were. */
  private placeParameters(height: number): void {
    for (let depth = height; depth < this.stack.length; depth++) {
      const operand = this.stack[depth] as Operand;
      if (operand.kind === "slot" && operand.slot === depth) continue;
      this.store(this.operandSlot(depth), operand);
      this.release(operand);
      this.stack[depth] = { kind: "slot", type: operand.type, slot: depth };
    }
  }

  /** A single result meets in the home of the local that is set to it right after the construct, else in rax. */
  private mergeRegister(opener: Instruction, type: FunctionType): number {
    // An if without else hands its parameters on, from their slots.
    const handsOn = opener.name === "if" && opener.elseAt === -1 && type.params.length > 0;
    if (type.results.length !== 1 || handsOn) return -1;
    const end = opener.partner;
    const after = this.instructions[end + 1];
    if (after === undefined || after.name !== "local.set" || this.allocation.deadWrites.has(end + 1)) return rax.number;
    const home = this.home(after.index);
    return isRegister(home) ? home : rax.number;
  }

  private otherwise(instruction: Instruction): void {
    const frame = this.frames[this.frames.length - 1] as Frame;
    if (instruction.reachable) {
      this.merge(frame);
      this.a.jmp(frame.label);
    }
    this.unwind();
    this.stack.length = frame.height;
    for (const type of frame.type.params) this.push({ kind: "slot", type: type as Type, slot: this.stack.length });
    this.a.bind(frame.elseLabel);
  }

  private close(instruction: Instruction): void {
    const frame = this.frames.pop() as Frame;
    if (frame.kind === "function") return this.closeFunction(frame, instruction);
    if (frame.kind === "loop") return;
    const opener = this.instructions[frame.opener] as Instruction;
    if (frame.kind === "block" && !opener.branched) return;
    if (instruction.reachable) this.merge(frame);
    this.unwind();
    this.stack.length = frame.height;
    const types = frame.type.results as readonly Type[];
    this.a.bind(frame.label);
    if (frame.merge < 0) {
      for (const type of types) this.push({ kind: "slot", type, slot: this.stack.length });
    } else if (frame.merge === rax.number) this.pushRegister(types[0] as Type, rax);
    else this.at++;
  }

  private closeFunction(frame: Frame, instruction: Instruction): void {
    if (instruction.reachable) this.merge(frame);
    if (instruction.reachable || this.returnUses > 0) {
      this.a.bind(this.returnLabel);
      this.epilogue();
    }
  }

  /** After an unconditional branch: no operand is left in a register. */
  private unwind(): void {
    this.owned = 0;
  }

  /** Copies the results of a construct to where they meet, without changing what the compiler believes of the stack. */
  private merge(frame: Frame): void {
    const types = frame.kind === "loop" ? frame.type.params : frame.type.results;
    const first = this.stack.length - types.length;
    if (frame.kind === "function") return this.mergeReturn(first, types.length);
    if (frame.merge >= 0) {
      this.load(register(frame.merge, 64), this.stack[first] as Operand);
      return;
    }
    // Results move down the stack or stay: in this order no slot is overwritten before it is read.
    for (let i = 0; i < types.length; i++) {
      const operand = this.stack[first + i] as Operand;
      if (operand.kind === "slot" && operand.slot === frame.height + i) continue;
      this.store(this.operandSlot(frame.height + i), operand);
    }
  }

  private mergeReturn(first: number, count: number): void {
    const stackArguments = Math.max(0, this.body.wasm.type.params.length - argumentRegisters.length);
    for (let i = 1; i < count; i++) this.store(this.incoming(stackArguments + i - 1), this.stack[first + i] as Operand);
    if (count > 0) this.load(rax, this.stack[first] as Operand);
  }

  private needsMoves(frame: Frame): boolean {
    const types = frame.kind === "loop" ? frame.type.params : frame.type.results;
    if (types.length === 0) return false;
    if (types.length > 1 || frame.merge < 0) return true;
    const top = this.stack[this.stack.length - 1] as Operand;
    return this.registerOf(top) !== frame.merge;
  }

  private branch(frame: Frame): void {
    const top = this.loopTops.get(frame.opener);
    if (top !== undefined && top.inside.section !== -1 && this.canRepeat(top)) return this.repeatTop(frame, top);
    this.merge(frame);
    if (frame.kind === "function") this.jumpToReturn();
    else this.a.jmp(frame.label);
  }

  /** The epilogue in place where it is short, else a jump to the one at the end. */
  private jumpToReturn(): void {
    if (this.allocation.saved.length <= 2) this.epilogue();
    else {
      this.returnUses++;
      this.a.jmp(this.returnLabel);
    }
  }

  private branchIf(frame: Frame): void {
    const condition = this.popCondition();
    const top = this.endLoopTop();
    if (frame.kind === "function") this.returnUses++;
    if (!this.needsMoves(frame)) {
      this.a.jcc(condition, frame.label);
      const decision = this.decisions.get(this.at);
      if (decision !== undefined) this.a.bind(decision.inside);
      if (top !== undefined) this.a.bind(top.inside);
      return;
    }
    const stay = this.a.label();
    this.a.jcc(negate(condition), stay);
    this.merge(frame);
    this.a.jmp(frame.label);
    this.a.bind(stay);
  }

  private branchTable(instruction: Instruction): void {
    const { a } = this;
    const targets = instruction.targets.map((target) => this.frameOf(target));
    const index = this.pop();
    if (targets.some((frame) => frame.kind === "function")) this.returnUses++;
    const count = targets.length - 1;
    const selector = this.toRegister(index);
    // Where values move, each target needs code of its own before the jump.
    const stubs = new Map<Frame, Label>();
    const labelOf = (frame: Frame): Label => {
      const types = frame.kind === "loop" ? frame.type.params : frame.type.results;
      if (types.length === 0) return frame.label;
      const known = stubs.get(frame) ?? a.label();
      stubs.set(frame, known);
      return known;
    };
    const fallback = labelOf(targets[count] as Frame);
    if (count > 0) {
      a.cmp(selector, count);
      a.jcc("ae", fallback);
      const table = a.label();
      const base = this.allocate();
      const offset = this.allocate();
      a.lea(base, rip(table));
      a.movsxd(offset, mem({ base, index: register(selector.number, 64), scale: 4 }));
      a.add(offset, base);
      a.jmp(offset);
      this.free(base);
      this.free(offset);
      a.rodata(() => {
        a.align(4);
        a.bind(table);
        for (const frame of targets.slice(0, count)) a.u32Offset(labelOf(frame), table);
      });
    } else {
      a.jmp(fallback);
    }
    this.done(selector);
    for (const [frame, label] of stubs) {
      a.bind(label);
      this.merge(frame);
      a.jmp(frame.label);
    }
  }

  // ---- calls ----

  call(type: FunctionType, target: string | Memory): void {
    const given = this.stack.splice(this.stack.length - type.params.length);
    this.flushForCall();
    const registerCount = Math.min(given.length, argumentRegisters.length);
    for (const [word, operand] of given.slice(registerCount).entries()) {
      this.store(mem({ base: rsp, disp: 8 * word, size: 64 }), operand);
    }
    this.loadArguments(given.slice(0, registerCount), argumentRegisters);
    this.unwind();
    this.a.call(target);
    this.callResults(type.results as readonly Type[], given.length - registerCount);
  }

  private callResults(types: readonly Type[], stackArguments: number): void {
    if (types.length === 0) return;
    this.own(rax.number);
    if (types.length === 1) {
      this.resultIn(types[0] as Type, rax);
      return;
    }
    this.pushRegister(types[0] as Type, rax);
    for (const [i, type] of types.slice(1).entries()) {
      const into = this.allocate();
      this.a.mov(into, mem({ base: rsp, disp: 8 * (stackArguments + i) }));
      this.pushRegister(type, into);
    }
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

  /** Puts popped operands into registers all at once. Everything else that is in registers must be saved before. */
  loadArguments(operands: readonly Operand[], into: readonly Register[]): void {
    const moves: Move[] = [];
    for (const [i, operand] of operands.entries()) {
      const from = this.registerOf(operand);
      if (from >= 0) moves.push({ to: (into[i] as Register).number, from });
    }
    this.parallelMove(moves);
    for (const [i, operand] of operands.entries()) {
      if (operand.kind === "constant") this.loadConstant(into[i] as Register, operand.type, operand.value, true);
      else if (this.registerOf(operand) < 0) this.load(into[i] as Register, operand);
    }
  }

  private callIndirect(instruction: Instruction): void {
    const { a, context } = this;
    const type = instruction.type as FunctionType;
    const index = this.pop();
    if (context.tableSize === 0) {
      a.ud2();
      this.release(index);
      this.stack.splice(this.stack.length - type.params.length);
      this.flushForCall();
      this.unwind();
      this.callResults(type.results as readonly Type[], 0);
      return;
    }
    // r11 and r10 are no argument registers: the target can be there while the arguments are placed.
    const selector = this.toRegister(index);
    a.cmp(selector, context.tableSize);
    a.jcc("ae", this.trap());
    const entry = this.allocate();
    const target = this.allocate();
    a.lea(entry, rip("engine table"));
    const wide = register(selector.number, 64);
    a.cmp(mem({ base: entry, index: wide, scale: 8, disp: 4, size: 32 }), context.signature(type));
    a.jcc("ne", this.trap());
    a.movsxd(target, mem({ base: entry, index: wide, scale: 8 }));
    a.add(target, entry);
    this.free(entry);
    this.done(selector);
    this.pushRegister("i64", target);
    this.callThrough(type);
  }

  /** Calls the code address on top of the stack: kept in a word above the outgoing arguments. */
  private callThrough(type: FunctionType): void {
    const word = callWords(type) - 1;
    const place = mem({ base: rsp, disp: 8 * word, size: 64 });
    const target = this.pop();
    this.store(place, target);
    this.release(target);
    this.call(type, place);
  }

  trap(): Label {
    this.trapLabel ??= this.a.label();
    return this.trapLabel;
  }

  /** Moves between registers as if all happened at once; cycles turn by xchg. Flags survive. */
  private parallelMove(moves: readonly Move[]): void {
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

/** Words of stack that a call of this type needs: arguments, results, and for an indirect call the target. */
function callWords(type: FunctionType): number {
  const stackArguments = Math.max(0, type.params.length - argumentRegisters.length);
  return stackArguments + Math.max(0, type.results.length - 1) + 1;
}

function outgoingWords(instructions: readonly Instruction[]): number {
  let words = 0;
  for (const { name, type } of instructions) {
    if (name === "call") words = Math.max(words, callWords(type as FunctionType) - 1);
    else if (name === "call_indirect") words = Math.max(words, callWords(type as FunctionType));
  }
  return words;
}
