// One function of wasm to machine code, in one pass over its instructions.
//
// operand-stack.ts keeps track of where values are; this file does control flow and calls. Operands are spilled to stack
// slots where control flow joins and across calls; a block's single result meets in one register. The frame, from rsp
// upwards:
//
//   outgoing arguments and results | slots of locals | slots of operands | saved registers | return address | arguments
//
// How many operand slots a function needs is known only at its end: compileFunction assumes a number and does the
// function again with the right one where the assumption was wrong.

import type { FunctionBody, Instruction } from "../wasm/function-body.js";
import type { FunctionType, Module } from "../wasm/module.js";
import type { Type } from "../wasm/opcodes.js";
import { allocate, isRegister, type Allocation } from "./allocation.js";
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
} from "./assembler.js";
import { findSums } from "./bounds.js";
import { argumentRegisters } from "./convention.js";
import type { Operand } from "./operand.js";
import { OperandStack, type Move } from "./operand-stack.js";
import { compileOperator } from "./operators.js";
import { findShortCircuit, type ShortCircuit } from "./short-circuit.js";
import { splitLocals } from "./webs.js";

/** What functions need to know of the module that they are in. */
export interface ModuleContext {
  readonly module: Module;
  /** Symbol of a function that the module defines. */
  symbolOf(index: number): string;
  /** Displacement from the memory base, for a mutable global; the value, for a constant. */
  global(index: number): { displacement: number } | { value: bigint };
  /** Symbol of the table of indirect calls. */
  readonly tableSymbol: string;
  /** Symbol of an import that another module answers, or null for one that is compiled in place. */
  linkedImport(index: number): string | null;
  /** Number of a signature: equal for equal signatures. */
  signature(type: FunctionType): number;
  /** Compiles a call of an imported function in place. */
  intrinsic(compiler: FunctionCompiler, index: number): void;
  /** Whether that code calls a routine. */
  intrinsicCalls(index: number): boolean;
  readonly memoryPages: number;
  readonly tableSize: number;
  /** Whether accesses to linear memory are compared with its size. */
  readonly checksBounds: boolean;
  /** A passive segment, or null for one that is gone when the module starts. */
  passiveSegment(index: number): PassiveSegment | null;
  /** Gets each place where compiled code traps. */
  addTrap(site: TrapSite): void;
  /** Gets how many bytes of stack each function takes, its return address included. */
  addFrame(index: number, size: number): void;
}

export interface PassiveSegment {
  /** Symbol of its bytes. */
  readonly symbol: string;
  /** Displacement from the memory base of its size, which data.drop makes zero. */
  readonly displacement: number;
}

export const TRAP_KINDS = [
  ...(["unreachable", "out of bounds", "division by zero", "division by zero, or its overflow"] as const),
  "division overflow",
  ...(["conversion out of range", "table index out of bounds", "indirect call of another type"] as const),
] as const;
export type TrapKind = (typeof TRAP_KINDS)[number];

/** An instruction that faults (`ud2`: SIGILL; `div`, `idiv`: SIGFPE), and what it means. */
export interface TrapSite {
  /** In text; its offset is right once the function is done. */
  readonly label: Label;
  readonly function: string;
  /** Offset of the wasm instruction in the module. */
  readonly offset: number;
  readonly kind: TrapKind;
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
  /** The result is but the condition of the branch behind the construct. */
  readonly decision: Decision | null;
}

/** Where a condition leads: what makes it known jumps there, and the branch is left to the last way that comes to it. */
interface Decision {
  readonly taken: Label;
  readonly notTaken: Label;
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

export function compileFunction(assembler: Assembler, context: ModuleContext, body: FunctionBody): void {
  const split = splitLocals(body);
  const exactSums = findSums(split);
  const allocation = allocate(split, (instruction) => isCall(context, instruction));
  const start = assembler.checkpoint();
  let operandSlots = 0;
  for (;;) {
    const compiler = new FunctionCompiler(assembler, context, split, allocation, exactSums, operandSlots);
    compiler.run();
    if (compiler.usedSlots === operandSlots) {
      for (const site of compiler.trapSites) context.addTrap(site);
      context.addFrame(body.wasm.index, compiler.stackSize);
      return assembler.relax(start);
    }
    operandSlots = compiler.usedSlots;
    assembler.rewind(start);
  }
}

/** Whether the instruction may leave nothing in caller-saved registers. */
function isCall(context: ModuleContext, { name, index }: Instruction): boolean {
  if (name === "call") {
    if (index >= context.module.importedFunctions.length) return true;
    return context.linkedImport(index) !== null || context.intrinsicCalls(index);
  }
  return name === "call_indirect" || name === "memory.copy" || name === "memory.fill" || name === "memory.init";
}

export class FunctionCompiler extends OperandStack {
  private readonly frames: Frame[] = [];
  /** By loop: the code from its start to its first conditional branch, which a jump back repeats. */
  private readonly loopTops = new Map<number, LoopTop>();
  /** By `if` or `br_if` that a part of its condition can decide: what is behind it, and where a false `if` goes. */
  private readonly decisions = new Map<number, { inside: Label; outside: Label }>();
  /** By comparison: found once, since the combining instruction is a nop afterwards; a loop's top comes here twice. */
  private readonly shortCircuits = new Map<number, ShortCircuit>();
  private readonly frameSize: number;
  private readonly returnLabel: Label;
  private returnUses = 0;
  readonly trapSites: TrapSite[] = [];
  /** Traps whose `ud2` is behind the function's code. */
  private readonly farTraps: Label[] = [];

  constructor(
    assembler: Assembler,
    readonly context: ModuleContext,
    body: FunctionBody,
    allocation: Allocation,
    /** i32.add whose sum does not wrap. */
    readonly exactSums: ReadonlySet<number>,
    operandSlots: number,
  ) {
    const outgoing = outgoingWords(body.instructions);
    super(assembler, body, allocation, outgoing);
    this.frameSize = 8 * (outgoing + allocation.slotCount + operandSlots);
    this.returnLabel = assembler.label();
  }

  get stackSize(): number {
    return this.frameSize + 8 * (this.allocation.saved.length + 1);
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
      ...{ merge: rax.number, decision: null },
    });
    for (this.at = 0; this.at < this.instructions.length; this.at++) this.step(this.instruction);
    for (const label of this.farTraps) {
      this.a.bind(label);
      this.a.ud2();
    }
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

  // ---- conditions ----

  /** Whether the next instruction takes a condition straight from the flags. */
  get nextTakesFlags(): boolean {
    return this.takesFlags(this.at + 1);
  }

  takesFlags(at: number): boolean {
    const { name, partner, target } = this.instructions[at] as Instruction;
    if (name === "i32.eqz" || name === "nop") return this.takesFlags(at + 1);
    const innermost = this.frames[this.frames.length - 1] as Frame;
    if (name === "end") return innermost.opener === partner && innermost.decision !== null;
    if (name === "else") return innermost.decision !== null;
    if (name === "br") return this.frameOf(target).decision !== null;
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
    const found =
      this.shortCircuits.get(this.at) ?? findShortCircuit(this.instructions, this.at, this.context.checksBounds);
    if (found === null) return false;
    const branch = this.instructions[found.branch] as Instruction;
    if (branch.name === "br_if" && this.valuesOf(branch) > 0) return false;
    this.shortCircuits.set(this.at, found);
    this.instructions[found.combiner] = { ...(this.instructions[found.combiner] as Instruction), name: "nop" };
    // The paths join behind the branch: what is on the stack must be in the same place on both.
    this.flush();
    const { taken, notTaken } = this.decisionOf(found.branch);
    this.a.jcc(found.decidedBy ? condition : negate(condition), found.outcome ? taken : notTaken);
    return true;
  }

  /** Where the `if` or `br_if` leads, for code in front of it that decides it. */
  private decisionOf(at: number): Decision {
    let labels = this.decisions.get(at);
    if (labels === undefined) {
      labels = { inside: this.a.label(), outside: this.a.label() };
      this.decisions.set(at, labels);
    }
    const branch = this.instructions[at] as Instruction;
    if (branch.name === "if") return { taken: labels.inside, notTaken: labels.outside };
    const frame = this.frameOf(branch.target);
    if (frame.kind === "function") this.returnUses++;
    return { taken: frame.label, notTaken: labels.inside };
  }

  /**
   * A construct with one result that only a branch right behind it looks at: each way through it jumps where the branch
   * would, and no value is made. binaryen makes them of `a && b` where `b` has effects, and of inlined functions.
   */
  private findDecision(opener: Instruction): Decision | null {
    const { params, results } = opener.type as FunctionType;
    const end = this.instructions[opener.partner] as Instruction;
    if (results.length !== 1 || params.length > 0 || !end.reachable) return null;
    let isNegated = false;
    let at = opener.partner + 1;
    for (; ["i32.eqz", "nop"].includes(this.instructions[at]?.name ?? ""); at++) {
      if (this.instructions[at]?.name === "i32.eqz") isNegated = !isNegated;
    }
    const branch = this.instructions[at];
    if (branch === undefined || (branch.name !== "if" && branch.name !== "br_if")) return null;
    if (this.valuesOf(branch) > 0) return null;
    const { taken, notTaken } = this.decisionOf(at);
    return isNegated ? { taken: notTaken, notTaken: taken } : { taken, notTaken };
  }

  /** Jumps where the operand, a condition, leads. The operand stays. */
  private decide({ taken, notTaken }: Decision, operand: Operand): void {
    if (operand.kind === "constant") return this.a.jmp(operand.value !== 0n ? taken : notTaken);
    this.a.jcc(this.testOperand(operand), taken);
    this.a.jmp(notTaken);
  }

  /** Pops an i32 as a condition: sets the flags if they are not set yet. */
  popCondition(): Condition {
    const operand = this.settle(this.pop());
    if (operand.kind === "constant") {
      const of = this.toRegister(operand);
      this.a.test(of, of);
      this.done(of);
      return "ne";
    }
    const condition = this.testOperand(operand);
    this.release(operand);
    return condition;
  }

  /** The same where a constant needs no flags: the branch is always or never taken. */
  private popDecided(): Condition | boolean {
    const top = this.stack[this.stack.length - 1];
    if (top?.kind !== "constant") return this.popCondition();
    return (this.pop() as { value: bigint }).value !== 0n;
  }

  private testOperand(operand: Operand): Condition {
    if (operand.kind === "flags") return operand.condition;
    const place = this.place(operand);
    const from = place ?? this.toRegister(operand);
    if (from instanceof Register) this.testRegister(from, "ne");
    else this.a.cmp(from, 0);
    if (place === null && this.registerOf(operand) < 0) this.done(from);
    return "ne";
  }

  // ---- control flow ----

  private step(instruction: Instruction): void {
    switch (instruction.name) {
      case "nop":
        break;
      case "unreachable":
        this.trapHere("unreachable");
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
        this.callFunction(instruction);
        break;
      case "call_indirect":
        this.callIndirect(instruction);
        break;
      case "drop":
        this.release(this.pop());
        break;
      case "local.get":
        this.push({
          ...{ kind: "local", type: this.localType(instruction.index), local: instruction.index },
          isLast: this.allocation.lastReads.has(this.at),
        });
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
    const condition = kind === "if" ? this.popDecided() : true;
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
    if (condition === false) a.jmp(hasElse ? elseLabel : label);
    else if (condition !== true) a.jcc(negate(condition), hasElse ? elseLabel : label);
    if (decision !== undefined) a.bind(decision.inside);
    if (top !== undefined) a.bind(top.inside);
    if (kind === "loop" && instruction.branched) {
      a.bind(label);
      this.findLoopTop(instruction);
    }
    const found = kind === "loop" ? null : this.findDecision(instruction);
    const merge = kind === "loop" || found !== null ? -1 : this.mergeRegister(instruction, type);
    this.frames.push({ kind, opener: this.at, type, height, label, elseLabel, merge, decision: found });
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
    // A constant would make an endless loop of the top, which no compiler writes.
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

  /**
   * A single result meets in the home of the local that is set to it right after the construct, or where the result of
   * the construct around it meets that it is the result of; else in rax.
   */
  private mergeRegister(opener: Instruction, type: FunctionType): number {
    // An if without else hands its parameters on, from their slots.
    const handsOn = opener.name === "if" && opener.elseAt === -1 && type.params.length > 0;
    if (type.results.length !== 1 || handsOn) return -1;
    const end = opener.partner;
    const after = this.instructions[end + 1];
    if (after?.name === "end" || after?.name === "else") {
      const outer = this.frames[this.frames.length - 1] as Frame;
      const isSame = outer.opener === (after.name === "end" ? after.partner : after.elseAt) && outer.merge >= 0;
      return isSame && outer.type.results.length === 1 ? outer.merge : rax.number;
    }
    if (after === undefined || !/^local\.(set|tee)$/.test(after.name) || this.allocation.deadWrites.has(end + 1)) {
      return rax.number;
    }
    const home = this.home(after.index);
    return isRegister(home) ? home : rax.number;
  }

  private otherwise(instruction: Instruction): void {
    const frame = this.frames[this.frames.length - 1] as Frame;
    if (instruction.reachable) this.leave(frame);
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
    if (frame.decision !== null) return;
    if (frame.kind === "block" && !opener.branched) return;
    if (instruction.reachable) this.merge(frame);
    this.unwind();
    this.stack.length = frame.height;
    const types = frame.type.results as readonly Type[];
    this.a.bind(frame.label);
    if (frame.merge < 0) {
      for (const type of types) this.push({ kind: "slot", type, slot: this.stack.length });
      return;
    }
    // A home that belongs to the construct around this one is not the next instruction's yet.
    const hint = frame.merge === rax.number || !this.next.name.startsWith("local.") ? -1 : frame.merge;
    this.result(types[0] as Type, register(frame.merge, 64), hint);
  }

  private closeFunction(frame: Frame, instruction: Instruction): void {
    if (instruction.reachable) this.merge(frame);
    if (instruction.reachable || this.returnUses > 0) {
      this.a.bind(this.returnLabel);
      this.epilogue();
    }
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

  /** The results go to where they meet, and control behind the construct. */
  private leave(frame: Frame): void {
    if (frame.decision !== null) return this.decide(frame.decision, this.stack[this.stack.length - 1] as Operand);
    this.merge(frame);
    if (frame.kind === "function") this.jumpToReturn();
    else this.a.jmp(frame.label);
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
    this.leave(frame);
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
    const condition = this.popDecided();
    // Computed where control leaves, a sum would be another one where it stays. Only mov and lea: the flags are set.
    if (frame.decision !== null) this.push(this.settle(this.pop()));
    const top = this.endLoopTop();
    if (frame.kind === "function") this.returnUses++;
    if (!this.needsMoves(frame)) {
      if (condition === true) this.a.jmp(frame.label);
      else if (condition !== false) this.a.jcc(condition, frame.label);
      const decision = this.decisions.get(this.at);
      if (decision !== undefined) this.a.bind(decision.inside);
      if (top !== undefined) this.a.bind(top.inside);
      return;
    }
    const stay = this.a.label();
    if (condition === false) return;
    if (condition !== true) this.a.jcc(negate(condition), stay);
    this.leave(frame);
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
      // What these registers held moves to its slot on the way to the default, too.
      const base = this.allocate();
      const offset = this.allocate();
      a.cmp(selector, count);
      a.jcc("ae", fallback);
      const table = a.label();
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
      this.leave(frame);
    }
  }

  // ---- calls ----

  private callFunction({ index, type }: Instruction): void {
    const { context } = this;
    if (index >= context.module.importedFunctions.length)
      return this.call(type as FunctionType, context.symbolOf(index));
    const symbol = context.linkedImport(index);
    if (symbol === null) context.intrinsic(this, index);
    else this.call(type as FunctionType, symbol);
  }

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

  private callIndirect(instruction: Instruction): void {
    const { a, context } = this;
    const type = instruction.type as FunctionType;
    const index = this.pop();
    if (context.tableSize === 0) {
      this.trapHere("table index out of bounds");
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
    a.jcc("ae", this.trap("table index out of bounds"));
    const entry = this.allocate();
    const target = this.allocate();
    a.lea(entry, rip(context.tableSymbol));
    const wide = register(selector.number, 64);
    a.cmp(mem({ base: entry, index: wide, scale: 8, disp: 4, size: 32 }), context.signature(type));
    a.jcc("ne", this.trap("indirect call of another type"));
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

  // ---- traps ----

  /** Where to jump to trap: a place of its own, so that the address says what happened where. */
  trap(kind: TrapKind): Label {
    const label = this.a.label();
    this.farTraps.push(label);
    this.addSite(label, kind);
    return label;
  }

  trapHere(kind: TrapKind): void {
    this.faults(kind);
    this.a.ud2();
  }

  /** The next machine instruction may fault, and means this. */
  faults(kind: TrapKind): void {
    const label = this.a.label();
    this.a.bind(label);
    this.addSite(label, kind);
  }

  private addSite(label: Label, kind: TrapKind): void {
    this.trapSites.push({ label, kind, function: this.body.wasm.name, offset: this.instruction.place });
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
