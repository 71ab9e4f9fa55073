// Loads, stores, atomics and bulk operations on linear memory.
//
// A wasm address is an i32, zero-extended in its register, and the constant offset goes into disp32: one operand
// `offset(%r15,%rax)`. The engine has no bounds check: if it computes a wrong address, that is a bug of ours, and the
// addresses that a program chooses never come here (they go through peek, poke and copies). With `bounds: "check"`, for
// hooks, each access is compared with memory's size, which is constant: one `cmp` and one `ja`, to a trap of its own. A
// constant offset that does not fit in 31 bits lies outside of every memory that the linker accepts, so it traps.
//
// Plain accesses need no order of their own on AMD64. Atomic ones: a load is a load, a store is xchg, the rest is
// `lock`. Alignment is not checked: AMD64 keeps unaligned locked operations atomic.

import type { Instruction } from "../wasm/function-body.js";
import type { Type } from "../wasm/opcodes.js";
import {
  Memory,
  Register,
  mem,
  r15,
  rax,
  rcx,
  rdi,
  rdx,
  register,
  rip,
  rsi,
  type Condition,
  type Scale,
  type Size,
} from "./assembler.js";
import type { FunctionCompiler } from "./function.js";
import { sizeOfType } from "./operand-stack.js";
import type { Operand } from "./operand.js";

export function compileMemoryOperator(c: FunctionCompiler, instruction: Instruction): void {
  const { name } = instruction;
  switch (name) {
    case "memory.size":
      return c.pushConstant("i32", BigInt(c.context.memoryPages));
    case "memory.grow":
      c.release(c.pop());
      return c.pushConstant("i32", 0xffffffffn);
    case "memory.copy":
      return callRoutine(c, "engineMemoryCopy", [rdi, rsi, rcx], null, () => {
        checkRange(c, rdi, rcx);
        checkRange(c, rsi, rcx);
      });
    case "memory.fill":
      return callRoutine(c, "engineMemoryFill", [rdi, rax, rcx], null, () => checkRange(c, rdi, rcx));
    case "memory.init":
      return initialise(c, instruction.index);
    case "data.drop": {
      const segment = c.context.passiveSegment(instruction.index);
      if (segment !== null) c.a.mov(mem({ base: r15, disp: segment.displacement, size: 64 }), 0);
      return;
    }
    case "atomic.fence":
      return c.a.mfence();
    default:
  }
  const match = /^(i32|i64|f32|f64)\.(?:(atomic)\.)?(load|store|rmw)(8|16|32)?(?:\.(\w+?))?(?:_([su]))?$/.exec(name);
  if (match === null) throw new Error(`operator ${name} has no compiler`);
  const type = match[1] as Type;
  const isAtomic = match[2] !== undefined;
  const size = (match[4] === undefined ? sizeOfType(type) : Number(match[4])) as Size;
  if (match[3] === "load") return load(c, type, size, match[6] === "s", linear(instruction.offset), instruction.offset);
  if (match[3] === "store" && !isAtomic) return store(c, size, linear(instruction.offset), instruction.offset);
  if (match[3] === "store") return exchange(c, size, instruction.offset, null);
  switch (match[5]) {
    case "add":
    case "sub":
      return fetchAdd(c, type, size, instruction.offset, match[5] === "sub");
    case "xchg":
      return exchange(c, size, instruction.offset, type);
    case "and":
    case "or":
    case "xor":
      return fetchLogic(c, type, size, instruction.offset, match[5]);
    case "cmpxchg": {
      const desired = c.settle(c.pop());
      const expected = c.settle(c.pop());
      return compareExchange(
        c,
        type,
        size,
        c.settle(c.pop()),
        linear(instruction.offset),
        expected,
        desired,
        instruction.offset,
      );
    }
    default:
      throw new Error(`operator ${name} has no compiler`);
  }
}

/** How an address in a register, or a constant one, becomes a memory operand. Null: out of reach, always a trap. */
export type Addressing = (
  address: Register | bigint,
  size: Size,
  sum?: { readonly scale: Scale; readonly disp: number },
) => Memory | null;

export const linear =
  (offset: number): Addressing =>
  (address, size, { scale, disp: addend } = { scale: 1, disp: 0 }) => {
    const disp = typeof address === "bigint" ? Number(address) + offset : addend + offset;
    if (disp > 0x7fffffff) return null;
    if (typeof address === "bigint") return mem({ base: r15, disp, size });
    return mem({ base: r15, index: register(address.number, 64), scale, disp, size });
  };

/** Addresses in the process, for peek and poke. */
export const absolute: Addressing = (address, size) =>
  typeof address === "bigint" ? null : mem({ base: register(address.number, 64), size });

/** Compares an address in linear memory with the last one at which an access of this size fits. */
function checkAddress(c: FunctionCompiler, address: Register, offset: number, size: Size): void {
  const last = c.context.memoryPages * 65536 - offset - size / 8;
  if (last < 0) c.a.jmp(c.trap("out of bounds"));
  else {
    c.a.cmp(register(address.number, 32), last);
    c.a.jcc("a", c.trap("out of bounds"));
  }
}

/** Compares the end of a range, both in zero-extended registers, with memory's size. Changes rdx. */
function checkRange(c: FunctionCompiler, start: Register, size: Register): void {
  if (!c.context.checksBounds) return;
  c.a.lea(rdx, mem({ base: start, index: size }));
  c.a.cmp(rdx, c.context.memoryPages * 65536);
  c.a.jcc("a", c.trap("out of bounds"));
}

/** memory.init: the segment's bytes are in rodata, its size is a variable. */
function initialise(c: FunctionCompiler, index: number): void {
  const segment = c.context.passiveSegment(index);
  callRoutine(c, segment === null ? "engineMemoryFill" : "engineCopyIn", [rdi, rsi, rcx], null, () => {
    checkRange(c, rdi, rcx);
    if (segment === null) {
      // A segment that is gone has no bytes: only none of them can be copied, from its start.
      c.a.or(rsi, rcx);
      c.a.jcc("ne", c.trap("out of bounds"));
      return;
    }
    c.a.lea(rdx, mem({ base: rsi, index: rcx }));
    c.a.cmp(rdx, mem({ base: r15, disp: segment.displacement }));
    c.a.jcc("a", c.trap("out of bounds"));
    c.a.lea(rdx, rip(segment.symbol));
    c.a.add(rsi, rdx);
  });
}

/**
 * The memory operand for an address operand, checked where that is wanted; give its register back with `c.done`.
 * @param offset the constant offset that `addressing` adds, or null for an address in the process
 */
function placeOf(
  c: FunctionCompiler,
  addressing: Addressing,
  address: Operand,
  size: Size,
  offset: number | null,
): [Memory, Register | null] {
  if (c.context.checksBounds && offset !== null) {
    const of = c.toRegister(address);
    checkAddress(c, of, offset, size);
    return [addressing(of, size) ?? mem({ base: r15, size }), of];
  }
  if (address.kind === "constant") {
    const place = addressing(address.value, size);
    if (place !== null) return [place, null];
  }
  if (address.kind === "sum" && address.isExact) {
    const place = addressing(register(address.register, 32), size, address);
    if (place !== null) return [place, register(address.register, 32)];
  }
  const of = c.toRegister(address);
  const place = addressing(of, size);
  if (place !== null) return [place, of];
  c.trapHere("out of bounds");
  return [mem({ base: r15, size }), of];
}

/** @param offset as placeOf takes it */
export function load(
  ...[c, type, size, signed, addressing, offset]: [FunctionCompiler, Type, Size, boolean, Addressing, number | null]
): void {
  const { a } = c;
  const address = c.pop();
  const consumer = consumerOf(c, type, size, signed);
  if (consumer !== null) {
    const [place] = placeOf(c, addressing, address, size, offset);
    return consumer(place);
  }
  const hint = c.destinationHint();
  const [place, of] = placeOf(c, addressing, address, size, offset);
  // The address keeps its register until whoever reads the home is saved.
  const ahead = hint < 0 ? c.homeAhead() : null;
  if (of !== null) c.done(of);
  const into = register((ahead ?? c.destination(hint, null)).number, sizeOfType(type));
  if (size === into.size) a.mov(into, place);
  else if (size === 32) {
    if (signed) a.movsxd(into, place);
    else a.mov(register(into.number, 32), place);
  } else if (signed) a.movsx(into, place);
  else a.movzx(register(into.number, 32), place);
  c.result(type, register(into.number, 64), hint);
}

const CONDITIONS: Record<string, Condition> = {
  ...{ eq: "e", ne: "ne", lt_u: "b", gt_u: "a", le_u: "be", ge_u: "ae" },
};

/**
 * How the instructions behind a load can read memory themselves, or null: an operator whose right operand it is, a
 * comparison with a constant, a test of bits, a branch on zero. Takes the instructions that it does the work of.
 */
function consumerOf(c: FunctionCompiler, type: Type, size: Size, signed: boolean): ((place: Memory) => void) | null {
  const { a, next } = c;
  if (type === "f32" || type === "f64") return null;
  const isWhole = size === sizeOfType(type);
  const compareWith = (value: bigint, condition: Condition, taken: number) => (place: Memory) => {
    c.at += taken;
    a.cmp(place, value);
    c.done(place);
    c.pushCondition(condition);
  };
  if (isWhole && new RegExp(`^${type}[.](add|sub|and|or|xor|mul|eq|ne|[lg][te]_[su])$`).test(next.name)) {
    const left = c.stack[c.stack.length - 1] as Operand;
    if (left.kind !== "register" && left.kind !== "local") return null;
    return (place) => c.push({ kind: "memory", type, place });
  }
  if (signed) return null;
  if (next.name === `${type}.eqz`) return compareWith(0n, "e", 1);
  if (type === "i32" && c.nextTakesFlags && next.name !== "nop") return compareWith(0n, "ne", 0);
  if (next.name !== `${type}.const`) return null;
  const constant = type === "i32" ? BigInt(next.index) : next.value;
  const then = c.instructionAt(c.at + 2).name;
  if (then === `${type}.and` && c.takesFlags(c.at + 3) && constant <= 0xffn) {
    return (place) => {
      c.at += 2;
      a.test(mem({ ...describe(place), size: 8 }), constant);
      c.done(place);
      c.pushCondition("ne");
    };
  }
  const condition = then.startsWith(type) ? CONDITIONS[then.slice(4)] : undefined;
  // A 16-bit immediate would make the instruction slow to decode: Intel Optimization Reference Manual, section 3.4.2.3.
  const fits = isWhole ? BigInt.asIntN(32, constant) === BigInt.asIntN(size, constant) : constant < 1n << 8n;
  if (condition === undefined || !fits || (size === 16 && constant > 127n)) return null;
  return compareWith(isWhole ? BigInt.asIntN(size, constant) : constant, condition, 2);
}

const describe = ({ base, index, scale, disp }: Memory) => ({
  ...(base === null ? {} : { base }),
  ...(index === null ? {} : { index }),
  ...{ scale, disp },
});

export function store(c: FunctionCompiler, size: Size, addressing: Addressing, offset: number | null): void {
  const value = c.pop();
  const address = c.pop();
  const [place, of] = placeOf(c, addressing, address, size, offset);
  const source = storable(c, value, size);
  c.a.mov(place, source);
  if (source instanceof Register) c.done(source);
  if (of !== null) c.done(of);
}

/** The value to store: its register in the width of the store, or an immediate. */
function storable(c: FunctionCompiler, value: Operand, size: Size): Register | bigint {
  if (value.kind === "constant") {
    const bits = BigInt.asIntN(size, value.value);
    if (bits === BigInt.asIntN(32, bits)) return bits;
  }
  return register(c.toRegister(value).number, size);
}

// ---- atomics ----

/** The old value in the low `size` bits of `of`, zero-extended and pushed. */
function pushOld(c: FunctionCompiler, type: Type, size: Size, of: Register): void {
  if (size < 32) c.a.movzx(register(of.number, 32), register(of.number, size));
  else if (size === 32) c.a.mov(register(of.number, 32), register(of.number, 32));
  c.pushRegister(type, register(of.number, 64));
}

/** A copy of the operand that may be overwritten. */
function ownedCopy(c: FunctionCompiler, operand: Operand, address: Register | null): Register {
  const into = c.destination(-1, operand, address === null ? 0 : 1 << address.number);
  c.load(into, operand);
  return into;
}

function exchange(c: FunctionCompiler, size: Size, offset: number, type: Type | null): void {
  const value = c.pop();
  const address = c.pop();
  const [place, of] = placeOf(c, linear(offset), address, size, offset);
  const into = ownedCopy(c, value, of);
  c.a.xchg(place, register(into.number, size));
  if (of !== null) c.done(of);
  if (type === null) c.free(into);
  else pushOld(c, type, size, into);
}

function fetchAdd(c: FunctionCompiler, type: Type, size: Size, offset: number, subtract: boolean): void {
  const value = c.pop();
  const address = c.pop();
  const [place, of] = placeOf(c, linear(offset), address, size, offset);
  const into = ownedCopy(c, value, of);
  if (subtract) c.a.neg(register(into.number, sizeOfType(type)));
  c.a.lock().xadd(place, register(into.number, size));
  if (of !== null) c.done(of);
  pushOld(c, type, size, into);
}

function fetchLogic(
  c: FunctionCompiler,
  type: Type,
  size: Size,
  offset: number,
  operation: "and" | "or" | "xor",
): void {
  const { a } = c;
  const value = c.settle(c.pop());
  const address = c.settle(c.pop());
  if (c.next.name === "drop") {
    const [place, of] = placeOf(c, linear(offset), address, size, offset);
    const source = register(c.toRegister(value).number, size);
    a.lock()[operation](place, source);
    c.done(source);
    if (of !== null) c.done(of);
    c.at++;
    return;
  }
  // rax holds what was found, another register what shall be; both operands stay clear of rax.
  const clear = 1 << rax.number;
  const source = c.toRegister(value, clear | (address.kind === "register" ? 1 << address.register : 0));
  const index = c.toRegister(address, clear);
  c.acquire(rax);
  if (c.context.checksBounds) checkAddress(c, index, offset, size);
  const place = linear(offset)(index, size) ?? mem({ base: r15, size });
  const desired = c.allocate();
  const again = a.label();
  a.mov(register(rax.number, size), place);
  a.bind(again);
  a.mov(desired, rax);
  a[operation](desired, register(source.number, 64));
  a.lock().cmpxchg(place, register(desired.number, size));
  a.jcc("ne", again);
  c.free(desired);
  c.done(source);
  c.done(index);
  pushOld(c, type, size, rax);
}

export function compareExchange(
  ...[c, type, size, address, addressing, expected, desired, offset]: [
    ...[FunctionCompiler, Type, Size, Operand, Addressing, Operand, Operand, number | null],
  ]
): void {
  const clear = 1 << rax.number;
  const held = (operand: Operand): number => (operand.kind === "register" ? 1 << operand.register : 0);
  const index = c.toRegister(address, clear | held(expected) | held(desired));
  const source = c.toRegister(desired, clear | held(expected));
  if (expected.kind !== "register" || expected.register !== rax.number) {
    c.acquire(rax);
    c.load(rax, expected);
    c.release(expected);
  }
  if (c.context.checksBounds && offset !== null) checkAddress(c, index, offset, size);
  const place = addressing(index, size) ?? mem({ base: r15, size });
  // Only the low bits of the expected value count: the proposal wraps it to the width of the access.
  c.a.lock().cmpxchg(place, register(source.number, size));
  c.done(source);
  c.done(index);
  pushOld(c, type, size, rax);
}

// ---- routines ----

/**
 * Calls a hand-written routine (routines.ts) with the operands on top of the stack in the registers it wants.
 * @param check emits code between the arguments and the call
 */
export function callRoutine(
  ...[c, symbol, into, result, check]: [FunctionCompiler, string, readonly Register[], Type | null, (() => void)?]
): void {
  const given = c.stack.splice(c.stack.length - into.length);
  c.flushForCall();
  c.loadArguments(given, into);
  for (const operand of given) c.release(operand);
  check?.();
  c.a.call(symbol);
  if (result === null) return;
  c.acquire(rax);
  c.resultIn(result, rax);
}
