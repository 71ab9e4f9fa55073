// The operators that compute: constants, arithmetic, comparisons, conversions, globals, select. Memory is in memory.ts,
// control flow in function.ts.
//
// Only the first AMD64 processors' instructions are used: no popcnt, lzcnt, tzcnt or BMI, which the launcher would have
// to test for.

import type { Instruction } from "../wasm/function-body.js";
import { isFloat, type Type } from "../wasm/opcodes.js";
import {
  Register,
  cl,
  mem,
  negate,
  r15,
  rax,
  rcx,
  rdx,
  register,
  type Condition,
  type Memory,
  type Place,
  type Scale,
} from "./assembler.js";
import { compileFloatOperator } from "./floats.js";
import type { FunctionCompiler } from "./function.js";
import { sizeOfType } from "./operand-stack.js";
import { compileMemoryOperator } from "./memory.js";
import type { Operand } from "./operand.js";

const CONDITIONS: Record<string, Condition> = {
  ...{ eq: "e", ne: "ne", lt_s: "l", lt_u: "b", gt_s: "g", gt_u: "a", le_s: "le", le_u: "be", ge_s: "ge", ge_u: "ae" },
};
/** The condition for the operands the other way round. */
const SWAPPED: Partial<Record<Condition, Condition>> = {
  ...{ e: "e", ne: "ne", l: "g", g: "l", le: "ge", ge: "le", b: "a", a: "b", be: "ae", ae: "be" },
};

export function compileOperator(c: FunctionCompiler, instruction: Instruction): void {
  const { name } = instruction;
  switch (name) {
    case "i32.const":
      return c.pushConstant("i32", BigInt(instruction.index));
    case "i64.const":
      return c.pushConstant("i64", instruction.value);
    case "global.get":
      return globalGet(c, instruction.index);
    case "global.set":
      return globalSet(c, instruction.index);
    case "select":
    case "select_t":
      return select(c);
    case "i32.wrap_i64":
      return wrap(c);
    case "i64.extend_i32_u":
      return c.push({ ...c.settle(c.pop()), type: "i64" } as Operand);
    case "i64.extend_i32_s":
    case "i64.extend32_s":
      return extend(c, "i64", 32);
    default:
  }
  const [prefix, operation = ""] = name.split(".") as [string, string?];
  if (name.includes(".atomic") || name.includes("load") || name.includes("store") || !/^[if](32|64)$/.test(prefix)) {
    return compileMemoryOperator(c, instruction);
  }
  if (isFloat(instruction.operator)) return compileFloatOperator(c, instruction);
  const type = prefix as Type;
  const condition = CONDITIONS[operation];
  if (condition !== undefined) return compare(c, condition);
  switch (operation) {
    case "eqz":
      return equalsZero(c);
    case "add":
    case "sub":
    case "and":
    case "or":
    case "xor":
      return arithmetic(c, type, operation);
    case "mul":
      return multiply(c, type);
    case "div_s":
    case "div_u":
    case "rem_s":
    case "rem_u":
      return divide(c, type, operation);
    case "shl":
      return shift(c, type, "shl");
    case "shr_s":
      return shift(c, type, "sar");
    case "shr_u":
      return shift(c, type, "shr");
    case "rotl":
      return shift(c, type, "rol");
    case "rotr":
      return shift(c, type, "ror");
    case "clz":
      return countZeros(c, type, "bsr");
    case "ctz":
      return countZeros(c, type, "bsf");
    case "popcnt":
      return countOnes(c, type);
    case "extend8_s":
      return extend(c, type, 8);
    case "extend16_s":
      return extend(c, type, 16);
    default:
      throw new Error(`operator ${name} has no compiler`);
  }
}

const view = (of: Register, type: Type): Register => register(of.number, sizeOfType(type));

// ---- globals ----

const globalPlace = (c: FunctionCompiler, index: number, size: 32 | 64): Memory | null => {
  const global = c.context.global(index);
  return "value" in global ? null : mem({ base: r15, disp: global.displacement, size });
};

function globalGet(c: FunctionCompiler, index: number): void {
  const { type } = c.context.module.globals[index] as { type: Type };
  const place = globalPlace(c, index, sizeOfType(type));
  if (place === null) {
    const global = c.context.global(index) as { value: bigint };
    return c.pushConstant(type, global.value);
  }
  const hint = c.destinationHint();
  const into = c.destination(hint, null);
  c.a.mov(view(into, type), place);
  c.result(type, into, hint);
}

function globalSet(c: FunctionCompiler, index: number): void {
  const value = c.pop();
  const place = globalPlace(c, index, sizeOfType(value.type));
  if (place === null) throw new Error(`global ${index} is constant`);
  const source = c.toSource(value);
  const from = typeof source === "bigint" || source instanceof Register ? source : c.toRegister(value);
  c.a.mov(place, from);
  c.done(from);
}

// ---- two operands ----

function arithmetic(c: FunctionCompiler, type: Type, operation: "add" | "sub" | "and" | "or" | "xor"): void {
  const { a } = c;
  let right = c.pop();
  let left = c.pop();
  if (right.kind === "memory" && !(operation === "and" && c.nextTakesFlags)) {
    return withMemory(c, type, operation, left, right);
  }
  const commutes = operation !== "sub";
  if (commutes && (left.kind === "constant" || (left.kind !== "register" && right.kind === "register"))) {
    [left, right] = [right, left];
  }
  if (operation === "and" && c.nextTakesFlags) return testBits(c, type, left, right);
  const hint = c.destinationHint();
  if (hint < 0 && operation === "add" && c.exactSums.has(c.at) && pushSum(c, left, 1, right, true)) return;
  if (hint >= 0 && commutes && c.registerOf(right) === hint) [left, right] = [right, left];
  if (addressArithmetic(c, type, operation, left, right, hint)) return;
  const source = c.toSource(right);
  const clash = clashes(c, source, hint, left);
  const into = c.destination(clash ? -1 : hint, left);
  c.load(into, left);
  if (into.number === hint) c.release(left);
  a[operation](view(into, type), source);
  c.flagsAreOf(view(into, type), operation !== "add" && operation !== "sub");
  c.done(source);
  c.result(type, into, hint);
}

/** Whether the left operand on its way to the hint would overwrite the right one. */
const clashes = (c: FunctionCompiler, right: Place | bigint, hint: number, left: Operand): boolean =>
  right instanceof Register && right.number === hint && c.registerOf(left) !== hint;

/** An operand in memory on the right: the one that the load in front of this operator left. */
function withMemory(
  ...[c, type, operation, left, right]: [
    ...[FunctionCompiler, Type, "add" | "sub" | "and" | "or" | "xor" | "imul", Operand, Operand & { kind: "memory" }],
  ]
): void {
  const { base, index } = right.place;
  const used = [base, index].reduce((set, of) => (of === null ? set : set | (1 << of.number)), 0);
  const hint = c.destinationHint();
  const clash = hint >= 0 && (used & (1 << hint)) !== 0 && c.registerOf(left) !== hint;
  const into = c.destination(clash ? -1 : hint, left, used);
  c.load(into, left);
  if (into.number !== c.registerOf(left) || into.number === hint) c.release(left);
  c.a[operation](view(into, type), right.place);
  if (operation !== "imul") c.flagsAreOf(view(into, type), operation !== "add" && operation !== "sub");
  c.release(right);
  c.result(type, into, hint);
}

/** Pushes `value * scale + addend` as it is, where the value is in a register. */
function pushSum(c: FunctionCompiler, value: Operand, scale: Scale, addend: Operand, isExact: boolean): boolean {
  const number = c.registerOf(value);
  if (addend.kind !== "constant" || number < 0) return false;
  const disp = Number(isExact ? addend.value : BigInt.asIntN(32, addend.value));
  if (disp > 0x7fffffff) return false;
  c.push({ kind: "sum", type: "i32", register: number, scale, disp, isExact });
  return true;
}

/**
 * Shifts to the left by one to three bits that an addition follows: lea, or a part of an address.
 * @returns false where neither is right, with the operand popped as it was
 */
function scaledSum(c: FunctionCompiler, value: Operand, places: number): boolean {
  const scale = (1 << places) as Scale;
  if (c.next.name === "i32.add") {
    const base = c.stack[c.stack.length - 1] as Operand;
    const number = c.registerOf(base);
    if (number < 0 || c.registerOf(value) < 0) return false;
    c.pop();
    c.at++;
    const from = mem({ base: register(number, 64), index: register(c.registerOf(value), 64), scale });
    // Saving the readers of the home may take registers: the parts keep theirs until then.
    const hint = c.destinationHint();
    c.release(base);
    c.release(value);
    const into = c.destination(hint, null);
    c.a.lea(register(into.number, 32), from);
    c.result("i32", into, hint);
    return true;
  }
  const addend = c.next;
  const isSum = addend.name === "i32.const" && c.instructionAt(c.at + 2).name === "i32.add";
  if (!isSum || c.registerOf(value) < 0) return false;
  // A sum that is exact says so of the shift, too, unless nothing is added.
  const isExact = c.exactSums.has(c.at + 2) && addend.index > 0;
  if (isExact && addend.index > 0x7fffffff) return false;
  c.at += 2;
  pushSum(c, value, scale, { kind: "constant", type: "i32", value: BigInt(addend.index) }, isExact);
  const sum = c.pop();
  const hint = c.destinationHint();
  if (hint < 0) c.push(sum);
  else {
    c.load(register(hint, 32), sum);
    c.release(sum);
    c.result("i32", register(hint, 64), hint);
  }
  return true;
}

/** lea where the sum goes to another register than its parts: it needs no mov. */
function addressArithmetic(
  c: FunctionCompiler,
  type: Type,
  operation: string,
  left: Operand,
  right: Operand,
  hint: number,
): boolean {
  if (operation !== "add" && operation !== "sub") return false;
  const base = c.registerOf(left);
  if (base < 0 || base === hint || (left.kind === "register" && hint < 0)) return false;
  let from: Memory;
  const index = c.registerOf(right);
  if (right.kind === "constant") {
    const value = BigInt.asIntN(sizeOfType(type), right.value);
    const disp = Number(operation === "add" ? value : -value);
    if (disp !== (disp | 0)) return false;
    from = mem({ base: register(base, 64), disp });
  } else if (operation === "add" && index >= 0) {
    from = mem({ base: register(base, 64), index: register(index, 64) });
  } else return false;
  c.release(left);
  c.release(right);
  const into = c.destination(hint, null);
  c.a.lea(view(into, type), from);
  c.result(type, into, hint);
  return true;
}

/** `and` whose only use is a branch: the flags say it. */
function testBits(c: FunctionCompiler, type: Type, left: Operand, right: Operand): void {
  const first = c.toRegister(left);
  const source = c.toSource(right);
  const isByte = typeof source === "bigint" && source >= 0n && source <= 0xffn;
  c.a.test(isByte ? register(first.number, 8) : view(first, type), source);
  c.done(first);
  c.done(source);
  c.pushCondition("ne");
}

function compare(c: FunctionCompiler, condition: Condition): void {
  let right = c.pop();
  let left = c.pop();
  let holds = condition;
  if (left.kind === "constant") {
    [left, right] = [right, left];
    holds = SWAPPED[condition] as Condition;
  }
  const source = c.toSource(right);
  const place = typeof source === "bigint" || source instanceof Register ? c.toSource(left) : c.toRegister(left);
  const first = typeof place === "bigint" ? c.toRegister(left) : place;
  if (source === 0n && first instanceof Register) c.testRegister(first, holds);
  else c.a.cmp(first, source);
  c.done(first);
  c.done(source);
  c.pushCondition(holds);
}

function equalsZero(c: FunctionCompiler): void {
  const top = c.stack[c.stack.length - 1];
  if (top?.kind === "constant") return c.pushConstant("i32", (c.pop() as { value: bigint }).value === 0n ? 1n : 0n);
  c.pushCondition(negate(c.popCondition()));
}

function multiply(c: FunctionCompiler, type: Type): void {
  const { a } = c;
  let right = c.pop();
  let left = c.pop();
  if (right.kind === "memory") return withMemory(c, type, "imul", left, right);
  if (left.kind === "constant" || (left.kind !== "register" && right.kind === "register")) {
    [left, right] = [right, left];
  }
  const hint = c.destinationHint();
  if (hint >= 0 && c.registerOf(right) === hint) [left, right] = [right, left];
  const source = c.toSource(right);
  if (typeof source === "bigint") {
    const isLoaded = left.kind === "constant" || left.kind === "sum";
    const from = isLoaded ? c.toRegister(left) : (c.toSource(left) as Place);
    const into = c.destination(hint, isLoaded ? asOwned(left, from as Register) : left);
    a.imul(view(into, type), from, source);
    if (from instanceof Register && from.number !== into.number) c.done(from);
    return c.result(type, into, hint);
  }
  const into = c.destination(clashes(c, source, hint, left) ? -1 : hint, left);
  c.load(into, left);
  if (into.number === hint) c.release(left);
  a.imul(view(into, type), source);
  c.done(source);
  c.result(type, into, hint);
}

const asOwned = (operand: Operand, of: Register): Operand => ({
  ...{ kind: "register", type: operand.type, register: of.number },
});

function divide(c: FunctionCompiler, type: Type, operation: string): void {
  const { a } = c;
  const accumulators = (1 << rax.number) | (1 << rdx.number);
  let right = c.settle(c.pop());
  let left = c.settle(c.pop());
  // The divisor stays clear of rax and rdx; a stack slot will do.
  const read = right.kind === "constant" || right.kind === "flags" ? null : c.toSource(right);
  const needsRegister = read === null || (read instanceof Register && (accumulators & (1 << read.number)) !== 0);
  if (needsRegister && left.kind === "register" && (accumulators & (1 << left.register)) === 0) {
    // The dividend may be in the only register that is left for the divisor.
    const from = left.register;
    if (right.kind === "register" && right.register === rax.number) {
      a.xchg(rax, register(from, 64));
      right = { ...right, register: from };
    } else {
      c.acquire(rax);
      c.load(rax, left);
      c.release(left);
    }
    left = { ...left, register: rax.number };
  }
  const leftIn = left.kind === "register" ? 1 << left.register : 0;
  const divisor = needsRegister ? c.toRegister(right, accumulators | leftIn) : (read as Place);
  // The dividend moves to rax; whoever else is in rax or rdx moves away.
  if (left.kind === "register" && left.register === rax.number) {
    c.acquire(rdx);
  } else if (left.kind === "register" && left.register === rdx.number) {
    c.acquire(rax);
    c.load(rax, left);
  } else {
    c.acquire(rax);
    c.load(rax, left);
    c.release(left);
    c.acquire(rdx);
  }
  const mayFault = right.kind !== "constant" || right.value === 0n || isMinusOne(type, right.value);
  const isChecked = c.context.checksBounds;
  if (isChecked && mayFault) checkDivision(c, type, operation, divisor);
  if (operation.endsWith("_u")) {
    a.xor(register(rdx.number, 32), register(rdx.number, 32));
    if (!isChecked) c.faults("division by zero");
    a.div(divisor);
  } else if (operation === "rem_s" && right.kind !== "constant") {
    // The smallest number divided by -1 faults, but its remainder is 0, as any number's is.
    const end = a.label();
    const divide = a.label();
    a.cmp(divisor, -1);
    a.jcc("ne", divide, "short");
    a.xor(register(rdx.number, 32), register(rdx.number, 32));
    a.jmp(end, "short");
    a.bind(divide);
    if (type === "i64") a.cqo();
    else a.cdq();
    if (!isChecked) c.faults("division by zero");
    a.idiv(divisor);
    a.bind(end);
  } else if (operation === "rem_s" && right.kind === "constant" && isMinusOne(type, right.value)) {
    a.xor(register(rdx.number, 32), register(rdx.number, 32));
  } else {
    if (type === "i64") a.cqo();
    else a.cdq();
    if (!isChecked) c.faults("division by zero, or its overflow");
    a.idiv(divisor);
  }
  c.done(divisor);
  const isQuotient = operation.startsWith("div");
  c.free(isQuotient ? rdx : rax);
  c.resultIn(type, isQuotient ? rax : rdx);
}

/**
 * Traps before a division that would fault: #DE becomes SIGFPE, which is the program's. The dividend is in rax, rdx is free.
 */
function checkDivision(c: FunctionCompiler, type: Type, operation: string, divisor: Place): void {
  const { a } = c;
  a.cmp(divisor, 0);
  a.jcc("e", c.trap("division by zero"));
  if (operation !== "div_s") return;
  // Only the smallest number has no negative: SDM volume 2, "NEG".
  const end = a.label();
  a.cmp(divisor, -1);
  a.jcc("ne", end, "short");
  a.mov(view(rdx, type), view(rax, type));
  a.neg(view(rdx, type));
  a.jcc("o", c.trap("division overflow"));
  a.bind(end);
}

const isMinusOne = (type: Type, value: bigint): boolean => BigInt.asIntN(sizeOfType(type), value) === -1n;

function shift(c: FunctionCompiler, type: Type, operation: "shl" | "sar" | "shr" | "rol" | "ror"): void {
  const { a } = c;
  const count = c.settle(c.pop());
  const value = c.settle(c.pop());
  if (count.kind === "constant") {
    const isScale = type === "i32" && operation === "shl" && count.value >= 1n && count.value <= 3n;
    if (isScale && scaledSum(c, value, Number(count.value))) return;
    const hint = c.destinationHint();
    const into = c.destination(hint, value);
    c.load(into, value);
    if (into.number === hint) c.release(value);
    const places = Number(count.value & BigInt(sizeOfType(type) - 1));
    a[operation](view(into, type), places);
    if (places !== 0 && !operation.startsWith("ro")) c.flagsAreOf(view(into, type), false);
    return c.result(type, into, hint);
  }
  const hint = c.destinationHint();
  const clash = hint >= 0 && c.registerOf(count) === hint;
  const useHint = clash ? -1 : hint;
  if (count.kind === "register" && count.register === rcx.number) {
    const into = c.destination(useHint, value);
    c.load(into, value);
    if (into.number === useHint) c.release(value);
    a[operation](view(into, type), cl);
    c.free(rcx);
    return c.result(type, into, hint);
  }
  const valueInCount = value.kind === "register" && value.register === rcx.number;
  // The value leaves rcx before the count comes in.
  const countIn = c.registerOf(count) >= 0 ? 1 << c.registerOf(count) : 0;
  const into = c.destination(useHint, value, (1 << rcx.number) | countIn);
  if (valueInCount) {
    c.load(into, value);
    c.load(rcx, count);
  } else {
    c.acquire(rcx, 1 << into.number);
    c.load(rcx, count);
    c.load(into, value);
    if (value.kind === "register" && value.register !== into.number) c.release(value);
  }
  c.release(count);
  a[operation](view(into, type), cl);
  c.free(rcx);
  c.result(type, into, hint);
}

// ---- one operand ----

/** bsr and bsf leave their destination alone, or anything in it, when no bit is set: the zero flag tells. */
function countZeros(c: FunctionCompiler, type: Type, scan: "bsf" | "bsr"): void {
  const { a } = c;
  const size = sizeOfType(type);
  const operand = c.pop();
  const from = c.toRegister(operand);
  const into = c.allocate();
  const none = c.allocate();
  a.mov(register(none.number, 32), scan === "bsf" ? size : 2 * size - 1);
  a[scan](view(into, type), from);
  a.cmovcc("e", view(into, type), view(none, type));
  if (scan === "bsr") a.xor(view(into, type), size - 1);
  c.free(none);
  c.done(from);
  c.result(type, into, -1);
}

/** Adds neighbouring bits, pairs, nibbles, bytes. Hacker's Delight, section 5-1. */
function countOnes(c: FunctionCompiler, type: Type): void {
  const { a } = c;
  const operand = c.pop();
  const into = view(c.destination(-1, operand), type);
  c.load(into, operand);
  const other = view(c.allocate(), type);
  const mask = view(c.allocate(), type);
  const repeat = (byte: bigint): bigint => (type === "i64" ? byte * 0x0101010101010101n : byte * 0x01010101n);
  a.mov(other, into);
  a.shr(other, 1);
  a.mov(mask, repeat(0x55n));
  a.and(other, mask);
  a.sub(into, other);
  a.mov(mask, repeat(0x33n));
  a.mov(other, into);
  a.and(into, mask);
  a.shr(other, 2);
  a.and(other, mask);
  a.add(into, other);
  a.mov(other, into);
  a.shr(other, 4);
  a.add(into, other);
  a.mov(mask, repeat(0x0fn));
  a.and(into, mask);
  a.mov(mask, repeat(0x01n));
  a.imul(into, mask);
  a.shr(into, sizeOfType(type) - 8);
  c.free(other);
  c.free(mask);
  c.result(type, into, -1);
}

function wrap(c: FunctionCompiler): void {
  const operand = c.pop();
  if (operand.kind === "constant") return c.pushConstant("i32", operand.value & 0xffffffffn);
  const hint = c.destinationHint();
  const into = c.destination(hint, operand);
  c.a.mov(register(into.number, 32), narrow(c.toSource(operand) as Place, 32));
  if (into.number === hint) c.release(operand);
  c.result("i32", into, hint);
}

function extend(c: FunctionCompiler, type: Type, from: 8 | 16 | 32): void {
  const operand = c.settle(c.pop());
  if (operand.kind === "constant") {
    const value = BigInt.asUintN(sizeOfType(type), BigInt.asIntN(from, operand.value));
    return c.pushConstant(type, value);
  }
  const hint = c.destinationHint();
  const into = c.destination(hint, operand);
  const source = narrow(c.toSource(operand) as Place, from);
  if (from === 32) c.a.movsxd(view(into, type), source);
  else c.a.movsx(view(into, type), source);
  if (into.number === hint) c.release(operand);
  c.result(type, into, hint);
}

/** The low bits of a register or stack slot. */
function narrow(place: Place, size: 8 | 16 | 32): Place {
  if (place instanceof Register) return register(place.number, size);
  return mem({ base: place.base as Register, disp: place.disp, size });
}

function select(c: FunctionCompiler): void {
  const { a } = c;
  const condition = c.popCondition();
  const otherwise = c.settle(c.pop());
  const value = c.settle(c.pop());
  const { type } = value;
  const hint = c.destinationHint();
  const useHint = c.registerOf(otherwise) === hint ? -1 : hint;
  // From here to the cmov only mov: the flags are set.
  const source = c.toSource(otherwise);
  const from = typeof source === "bigint" ? c.toRegister(otherwise) : source;
  const into = c.destination(useHint, value);
  c.load(into, value);
  if (into.number === useHint) c.release(value);
  a.cmovcc(negate(condition), view(into, type), from);
  c.done(from);
  c.result(type, into, hint);
}
