// Scalar floating point, for hooks.
//
// A float is its bits: in a general register, a slot or memory, exactly as an integer of its width; so locals, operands,
// calls and loads need nothing new, and abs, neg, copysign and reinterpret are integer operations. Arithmetic takes the
// bits through xmm0 and xmm1 and back. That costs two or three cycles an operator against values that stay in vector
// registers, and saves more than it costs where it matters: a hook runs in the middle of a program whose vector registers
// must not change, and now there are three of them to save (xmm2: the routines below), not sixteen.
//
// Only SSE2, which every AMD64 processor has: roundsd (SSE4.1) would have to be tested for, so rounding is done by adding
// and subtracting 2^52, where the last bit counts one. MXCSR must be as at the start of a program: nearest, no traps, no
// flush to zero. NaNs are what SSE makes of them, which WebAssembly allows.
//
// f32 goes through f64 for rounding and for conversion to integers: exact both ways, as every f32 is an f64 and the
// integers nearest to an f32 are f32 again.

import type { Instruction } from "../wasm/function-body.js";
import type { Type } from "../wasm/opcodes.js";
import { Assembler, Register, rax, rcx, rdx, register } from "./assembler.js";
import type { FunctionCompiler } from "./function.js";
import type { Operand } from "./operand.js";
import { sizeOfType } from "./operand-stack.js";

const X0 = 0;
const X1 = 1;
const X2 = 2;

const SIGN = 1n << 63n;
/** The bits of 2^52 and 2^63. */
const TWO_52 = 0x4330000000000000n;
const TWO_63 = 0x43e0000000000000n;
const ONE = 0x3ff0000000000000n;

type Width = 32 | 64;

export function compileFloatOperator(c: FunctionCompiler, { name, value }: Instruction): void {
  const [type, operation = ""] = name.split(".") as [Type, string];
  const size = sizeOfType(type);
  if (operation === "const") return c.pushConstant(type, value);
  if (operation.startsWith("reinterpret")) return c.push({ ...c.settle(c.pop()), type } as Operand);
  if (operation.startsWith("trunc_")) return truncate(c, type, operation);
  if (operation.startsWith("convert_")) return convert(c, type, operation);
  switch (operation) {
    case "promote_f32":
    case "demote_f64":
      return unary(c, type, size === 64 ? 32 : 64, (a) => a.convertFloat(size === 64 ? 32 : 64, X0, X0));
    case "sqrt":
      return unary(c, type, size, (a) => a.sqrtFloat(size, X0, X0));
    case "ceil":
    case "floor":
    case "trunc":
    case "nearest":
      return unary(c, type, size, (a) => round(a, size, `engineFloat_${operation}`));
    case "add":
      return binary(c, type, (a) => a.addFloat(size, X0, X1));
    case "sub":
      return binary(c, type, (a) => a.subFloat(size, X0, X1));
    case "mul":
      return binary(c, type, (a) => a.mulFloat(size, X0, X1));
    case "div":
      return binary(c, type, (a) => a.divFloat(size, X0, X1));
    case "min":
    case "max":
      return extreme(c, type, operation);
    case "abs":
    case "neg":
      return changeSign(c, type, operation);
    case "copysign":
      return copySign(c, type);
    default:
      return compare(c, size, operation);
  }
}

/** The operand's bits into a vector register. */
function toVector(c: FunctionCompiler, to: number, operand: Operand, size: Width): void {
  const of = c.toRegister(operand);
  c.a.movToVector(to, register(of.number, size));
  c.done(of);
}

function fromVector(c: FunctionCompiler, type: Type): void {
  const hint = c.destinationHint();
  const into = c.destination(hint, null);
  c.a.movFromVector(register(into.number, sizeOfType(type)), X0);
  c.result(type, into, hint);
}

function unary(c: FunctionCompiler, type: Type, from: Width, compute: (a: Assembler) => void): void {
  toVector(c, X0, c.pop(), from);
  compute(c.a);
  fromVector(c, type);
}

function popTwo(c: FunctionCompiler, size: Width): void {
  const right = c.pop();
  const left = c.pop();
  toVector(c, X1, right, size);
  toVector(c, X0, left, size);
}

function binary(c: FunctionCompiler, type: Type, compute: (a: Assembler) => void): void {
  popTwo(c, sizeOfType(type));
  compute(c.a);
  fromVector(c, type);
}

/** The width of the operands decides; i32 is the result. */
function compare(c: FunctionCompiler, size: Width, operation: string): void {
  const { a } = c;
  popTwo(c, size);
  // "Above" is false when the two are unordered, "below" would be true.
  const isLess = operation === "lt" || operation === "le";
  a.compareFloat(size, isLess ? X1 : X0, isLess ? X0 : X1);
  if (operation === "lt" || operation === "gt") return c.pushCondition("a");
  if (operation === "le" || operation === "ge") return c.pushCondition("ae");
  // Equal is ZF without PF.
  const one = c.allocate();
  const other = c.allocate();
  const [first, second] = [register(one.number, 8), register(other.number, 8)];
  a.setcc(operation === "eq" ? "e" : "ne", first);
  a.setcc(operation === "eq" ? "np" : "p", second);
  if (operation === "eq") a.and(first, second);
  else a.or(first, second);
  c.free(one);
  c.free(other);
  c.pushCondition("ne");
}

/** minsd gives its second operand for a NaN and for zeros of either sign: both are looked at before. */
function extreme(c: FunctionCompiler, type: Type, operation: "min" | "max"): void {
  const { a } = c;
  const size = sizeOfType(type);
  const right = c.toRegister(c.pop());
  const left = c.toRegister(c.pop());
  const into = register(c.allocate().number, size);
  const [differ, unordered, done] = [a.label(), a.label(), a.label()];
  a.movToVector(X0, register(left.number, size));
  a.movToVector(X1, register(right.number, size));
  a.compareFloat(size, X0, X1);
  a.jcc("p", unordered);
  a.jcc("ne", differ);
  a.mov(into, register(left.number, size));
  a[operation === "min" ? "or" : "and"](into, register(right.number, size));
  a.jmp(done);
  a.bind(unordered);
  a.addFloat(size, X0, X1);
  a.movFromVector(into, X0);
  a.jmp(done);
  a.bind(differ);
  a[operation === "min" ? "minFloat" : "maxFloat"](size, X0, X1);
  a.movFromVector(into, X0);
  a.bind(done);
  c.done(left);
  c.done(right);
  c.pushRegister(type, register(into.number, 64));
}

/** A copy of the operand that may be changed. */
function copyOf(c: FunctionCompiler, operand: Operand, size: Width): Register {
  const into = c.allocate();
  c.load(into, operand);
  c.release(operand);
  return register(into.number, size);
}

function changeSign(c: FunctionCompiler, type: Type, operation: "abs" | "neg"): void {
  const { a } = c;
  const size = sizeOfType(type);
  const into = copyOf(c, c.pop(), size);
  if (operation === "abs") {
    a.shl(into, 1);
    a.shr(into, 1);
  } else if (size === 32) a.xor(into, 0x80000000);
  else {
    const sign = c.allocate();
    a.mov(sign, SIGN);
    a.xor(into, sign);
    c.free(sign);
  }
  c.pushRegister(type, register(into.number, 64));
}

function copySign(c: FunctionCompiler, type: Type): void {
  const { a } = c;
  const size = sizeOfType(type);
  const signed = c.pop();
  const magnitude = c.pop();
  const sign = copyOf(c, signed, size);
  const into = copyOf(c, magnitude, size);
  a.shr(sign, size - 1);
  a.shl(sign, size - 1);
  a.shl(into, 1);
  a.shr(into, 1);
  a.or(into, sign);
  c.free(sign);
  c.pushRegister(type, register(into.number, 64));
}

function round(a: Assembler, size: Width, routine: string): void {
  if (size === 32) a.convertFloat(32, X0, X0);
  a.call(routine);
  if (size === 32) a.convertFloat(64, X0, X0);
}

function convert(c: FunctionCompiler, type: Type, operation: string): void {
  const { a } = c;
  const size = sizeOfType(type);
  const operand = c.pop();
  if (operation !== "convert_i64_u") {
    // An unsigned i32 is a positive i64.
    const of = c.toRegister(operand);
    a.convertInteger(size, X0, register(of.number, operation === "convert_i32_s" ? 32 : 64));
    c.done(of);
    return fromVector(c, type);
  }
  // Half of it, with the bit that is shifted out kept for rounding, and then twice that.
  const value = copyOf(c, operand, 64);
  const low = register(c.allocate().number, 64);
  const [large, done] = [a.label(), a.label()];
  a.test(value, value);
  a.jcc("s", large);
  a.convertInteger(size, X0, value);
  a.jmp(done);
  a.bind(large);
  a.mov(low, value);
  a.and(register(low.number, 32), 1);
  a.shr(value, 1);
  a.or(value, low);
  a.convertInteger(size, X0, value);
  a.addFloat(size, X0, X0);
  a.bind(done);
  c.free(low);
  c.free(value);
  fromVector(c, type);
}

/** `trunc_f32_s`, `trunc_sat_f64_u` and so on: routines that saturate and say in CF whether they had to. */
function truncate(c: FunctionCompiler, type: Type, operation: string): void {
  const { a } = c;
  const from = operation.includes("f32") ? 32 : 64;
  const operand = c.pop();
  toVector(c, X0, operand, from);
  if (from === 32) a.convertFloat(32, X0, X0);
  c.acquire(rax);
  a.call(`engineTruncate_${type}_${operation.slice(-1)}`);
  if (!operation.startsWith("trunc_sat")) a.jcc("b", c.trap("conversion out of range"));
  c.resultIn(type, rax);
}

// ---- routines: they change xmm0 to xmm2, flags and rax, where it is the result; rax is kept by the others ----

export function emitFloatRoutines(a: Assembler): void {
  for (const operation of ["nearest", "trunc", "floor", "ceil"]) emitRound(a, operation);
  emitTruncate32(a, "engineTruncate_i32_s", 0x7fffffff, 0x80000000);
  emitTruncate32(a, "engineTruncate_i32_u", 0xffffffff, 0);
  emitTruncateSigned(a);
  emitTruncateUnsigned(a);
}

/** xmm0 to the integer beside it, by magnitude: the sign is put back at the end, also on a zero. */
function emitRound(a: Assembler, operation: string): void {
  const [whole, done, up] = [a.label(), a.label(), a.label()];
  a.align(16);
  a.global(`engineFloat_${operation}`);
  a.push(rax);
  a.push(rcx);
  a.push(rdx);
  a.movFromVector(rax, X0);
  a.mov(rdx, rax);
  a.shr(rdx, 63);
  a.shl(rdx, 63);
  a.xor(rax, rdx);
  a.mov(rcx, TWO_52);
  a.cmp(rax, rcx);
  a.jcc("ae", whole);
  a.movToVector(X0, rax);
  a.movToVector(X1, rcx);
  a.movToVector(X2, rax);
  a.addFloat(64, X0, X1);
  a.subFloat(64, X0, X1);
  // xmm0 is the nearest integer to the magnitude, xmm2 the magnitude.
  if (operation !== "nearest") {
    a.mov(rcx, ONE);
    a.movToVector(X1, rcx);
    // Away from zero: floor of a negative, ceil of a positive number.
    a.test(rdx, rdx);
    if (operation !== "trunc") a.jcc(operation === "floor" ? "s" : "ns", up);
    a.compareFloat(64, X0, X2);
    a.jcc("be", done);
    a.subFloat(64, X0, X1);
    a.jmp(done);
    a.bind(up);
    a.compareFloat(64, X2, X0);
    a.jcc("be", done);
    a.addFloat(64, X0, X1);
  }
  a.bind(done);
  a.movFromVector(rax, X0);
  a.or(rax, rdx);
  a.movToVector(X0, rax);
  a.pop(rdx);
  a.pop(rcx);
  a.pop(rax);
  a.ret();
  // Integers already, infinities, and NaNs, which multiplication by one makes quiet.
  a.bind(whole);
  a.mov(rcx, ONE);
  a.movToVector(X1, rcx);
  a.mulFloat(64, X0, X1);
  a.pop(rdx);
  a.pop(rcx);
  a.pop(rax);
  a.ret();
}

/** 64 bits hold the result where 32 do, and show where they do not. */
function emitTruncate32(a: Assembler, name: string, most: number, least: number): void {
  const [bad, notNan, positive] = [a.label(), a.label(), a.label()];
  const low = register(rax.number, 32);
  a.align(16);
  a.global(name);
  a.push(rcx);
  a.truncateDouble(rax, X0);
  if (least === 0) a.mov(register(rcx.number, 32), low);
  else a.movsxd(rcx, low);
  a.cmp(rcx, rax);
  a.pop(rcx);
  a.jcc("ne", bad);
  a.mov(low, low);
  a.clc();
  a.ret();
  a.bind(bad);
  emitOutOfRange(a, { notNan, positive }, BigInt(most), BigInt(least));
}

/** The result for what does not fit: 0 for a NaN, else the nearest. */
function emitOutOfRange(
  a: Assembler,
  { notNan, positive }: { notNan: ReturnType<Assembler["label"]>; positive: ReturnType<Assembler["label"]> },
  most: bigint,
  least: bigint,
): void {
  const low = register(rax.number, 32);
  a.xor(low, low);
  a.movToVector(X1, rax);
  a.compareFloat(64, X0, X1);
  a.jcc("np", notNan);
  a.stc();
  a.ret();
  a.bind(notNan);
  a.jcc("a", positive);
  if (least !== 0n) a.mov(least > 0xffffffffn ? rax : low, least);
  a.stc();
  a.ret();
  a.bind(positive);
  a.mov(most > 0xffffffffn ? rax : low, most);
  a.stc();
  a.ret();
}

function emitTruncateSigned(a: Assembler): void {
  const [bad, notNan, positive] = [a.label(), a.label(), a.label()];
  a.align(16);
  a.global("engineTruncate_i64_s");
  a.truncateDouble(rax, X0);
  // Only the smallest number overflows; it is what the processor gives for all that does not fit.
  a.cmp(rax, 1);
  a.jcc("o", bad);
  a.clc();
  a.ret();
  a.bind(bad);
  a.convertInteger(64, X1, rax);
  a.compareFloat(64, X0, X1);
  const other = a.label();
  a.jcc("p", other);
  a.jcc("ne", other);
  a.clc();
  a.ret();
  a.bind(other);
  emitOutOfRange(a, { notNan, positive }, SIGN - 1n, SIGN);
}

function emitTruncateUnsigned(a: Assembler): void {
  const [large, bad, notNan, positive, tooLarge] = [a.label(), a.label(), a.label(), a.label(), a.label()];
  a.align(16);
  a.global("engineTruncate_i64_u");
  a.mov(rax, TWO_63);
  a.movToVector(X1, rax);
  a.compareFloat(64, X0, X1);
  a.jcc("ae", large);
  a.truncateDouble(rax, X0);
  a.test(rax, rax);
  a.jcc("s", bad);
  a.ret(); // test clears CF
  a.bind(large);
  a.subFloat(64, X0, X1);
  a.truncateDouble(rax, X0);
  a.test(rax, rax);
  a.jcc("s", tooLarge);
  a.push(rcx);
  a.mov(rcx, SIGN);
  a.xor(rax, rcx);
  a.pop(rcx);
  a.ret(); // and xor
  a.bind(tooLarge);
  a.mov(rax, -1);
  a.stc();
  a.ret();
  a.bind(bad);
  emitOutOfRange(a, { notNan, positive }, (1n << 64n) - 1n, 0n);
}
