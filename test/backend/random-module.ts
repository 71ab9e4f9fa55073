// Random valid modules of integer wasm, made as a stack machine makes them: an instruction takes what lies on the operand
// stack where the types fit and gets fresh operands where they do not, so that values wait on the stack across blocks,
// calls and branches. Functions differ in how many locals they have, from none to more than there are registers, and in how
// often they copy one to another, which is what the allocation of registers works on. With `floats` there are f32 and f64 too, accesses may lie outside of memory, and a NaN is made the
// canonical one right where it is made, since its payload may be anything. Loops and calls burn fuel, a global; when none is left the code traps, in both worlds alike.

import { isFloat, operators, type Operator, type Type } from "../../src/backend/wasm/opcodes.js";
import { ModuleEncoder, blockType, constant, opcode, signed, unsigned, type Signature } from "./wasm-encoder.js";
import type { Call } from "./native-run.js";

/** xorshift128, seeded. */
export class Random {
  private state: [number, number, number, number];

  constructor(seed: number) {
    this.state = [seed | 1, seed ^ 0x9e3779b9, (seed * 2654435761) | 0, 0x243f6a88];
    for (let i = 0; i < 16; i++) this.u32();
  }

  u32(): number {
    const [x, y, z, w] = this.state;
    const t = x ^ (x << 11);
    const next = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    this.state = [y, z, w, next];
    return next >>> 0;
  }

  below(limit: number): number {
    return this.u32() % limit;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** The bits of a value. */
  value(type: Type): bigint {
    if (type === "f32" || type === "f64") return this.float(type);
    const kind = this.below(4);
    if (kind === 0) return BigInt(this.below(40)) - 8n;
    if (kind === 1) return this.pick([0n, 1n, -1n, 0x7fffffffn, -0x80000000n, 255n, 65535n, 128n, 31n, 32n, 63n]);
    if (kind === 2 && type === "i64")
      return this.pick([1n << 63n, (1n << 63n) - 1n, 1n << 32n, 0xffffffffn, 1n << 31n]);
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** A number, small or of any size, never a NaN. */
  private float(type: "f32" | "f64"): bigint {
    const special = [0, -0, 0.5, -1, 1.5, 2.5, 1e10, -3e38, 5e-324, Infinity, -Infinity, 2147483648, 1e19];
    const number = this.chance(30) ? this.pick(special) : (this.below(2000) - 1000) / this.pick([1, 2, 7, 1e-6]);
    const view = new DataView(new ArrayBuffer(8));
    if (type === "f32") view.setFloat32(0, number, true);
    else view.setFloat64(0, number, true);
    return type === "f32" ? BigInt(view.getUint32(0, true)) : view.getBigUint64(0, true);
  }
}

const FUEL = 0;
const INTEGERS: readonly Type[] = ["i32", "i64"];
const ALL: readonly Type[] = ["i32", "i64", "f32", "f64"];
const FUEL_START = 400;
const ADDRESS_MASK = 0xfff8;
const MEMORY_PAGES = 2;

const computing = operators.filter(
  ({ typed, immediate, operands }) => typed && immediate === "none" && operands.length > 0,
);
const accesses = operators.filter(({ immediate }) => immediate === "memory");
const isInteger = (operator: Operator): boolean => !isFloat(operator);

interface Frame {
  readonly labelTypes: readonly Type[];
  readonly base: number;
}

class FunctionGenerator {
  private readonly code: number[] = [];
  private readonly stack: Type[] = [];
  private readonly frames: Frame[] = [];
  private budget: number;
  private readonly kinds: readonly Type[];
  private readonly computing: readonly Operator[];
  private readonly accesses: readonly Operator[];

  constructor(
    private readonly random: Random,
    private readonly module: ModuleEncoder,
    private readonly type: Signature,
    private readonly locals: readonly Type[],
    private readonly callees: readonly Signature[],
    size: number,
    private readonly floats: boolean,
    /** Of a hundred steps, how many copy locals. */
    private readonly copying: number,
  ) {
    this.budget = size;
    this.kinds = floats ? ALL : INTEGERS;
    this.computing = floats ? computing : computing.filter(isInteger);
    this.accesses = floats ? accesses : accesses.filter(isInteger);
  }

  generate(): number[] {
    this.frames.push({ labelTypes: this.type.results, base: 0 });
    this.burnFuel();
    this.run(1 + this.random.below(this.budget));
    while (this.budget > 0) this.run(this.budget);
    this.fit(this.type.results);
    this.emit("end");
    return this.code;
  }

  private emit(name: string, ...immediates: number[]): void {
    this.code.push(...opcode(name), ...immediates);
  }

  private get base(): number {
    return (this.frames[this.frames.length - 1] as Frame).base;
  }

  private burnFuel(): void {
    this.emit("global.get", FUEL);
    this.emit("i32.const", 1);
    this.emit("i32.sub");
    this.emit("global.set", FUEL);
    this.emit("global.get", FUEL);
    this.emit("i32.eqz");
    this.emit("if", 0x40);
    this.emit("unreachable");
    this.emit("end");
  }

  private leaf(type: Type): void {
    const { random } = this;
    const all = [...this.type.params, ...this.locals];
    const candidates = all.flatMap((local, index) => (local === type ? [index] : []));
    const globals = this.module.globals.flatMap((global, index) => (global.type === type && index > 0 ? [index] : []));
    if (candidates.length > 0 && random.chance(65)) this.emit("local.get", ...unsigned(random.pick(candidates)));
    else if (globals.length > 0 && random.chance(20)) this.emit("global.get", ...unsigned(random.pick(globals)));
    else this.code.push(...constant(type, random.value(type)));
    this.stack.push(type);
  }

  /** Makes the top of the stack fit, taking what is there when it does, and pops it. */
  private need(types: readonly Type[]): void {
    const { stack } = this;
    const top = stack.slice(stack.length - types.length);
    const fits = stack.length - types.length >= this.base && top.join() === types.join();
    if (!fits || this.random.chance(15)) {
      let kept = 0;
      if (stack.length > this.base && stack[stack.length - 1] === types[0] && this.random.chance(70)) kept = 1;
      for (const type of types.slice(kept)) this.leaf(type);
    }
    stack.length -= types.length;
  }

  private fit(types: readonly Type[]): void {
    const { stack } = this;
    while (stack.length > this.base && stack.slice(this.base).join() !== types.join()) {
      if (stack.length - this.base < types.length && types.join().startsWith(stack.slice(this.base).join())) break;
      this.emit("drop");
      stack.pop();
    }
    for (const type of types.slice(stack.length - this.base)) this.leaf(type);
  }

  private run(count: number): void {
    for (let i = 0; i < count && this.budget > 0; i++) this.one();
  }

  private one(): void {
    this.budget--;
    const { random, stack } = this;
    if (random.chance(this.copying)) return this.copy();
    const kind = random.below(100);
    if (kind < 5) this.leaf(random.pick(this.kinds));
    else if (kind < 8) this.address();
    else if (kind < 40) this.operator(random.pick(this.computing));
    else if (kind < 55) this.localOperation();
    else if (kind < 64) this.access(random.pick(this.accesses));
    else if (kind < 67) this.bulk();
    else if (kind < 70) this.globalSet();
    else if (kind < 74) this.select();
    else if (kind < 86) this.construct();
    else if (kind < 93) this.branchIf();
    else if (kind < 97) this.call();
    else if (stack.length > this.base) {
      this.emit("drop");
      stack.pop();
    }
  }

  private operator({ name, operands, result }: Operator): void {
    // Division traps too often to be as frequent as the others.
    const traps = /^i.*(div|rem)|trunc_f/.test(name);
    if (traps && this.random.chance(50)) return;
    this.need(operands);
    if (/^i.*(div|rem)/.test(name) && this.random.chance(80)) {
      const type = operands[0] as Type;
      this.emit(`${type}.const`, 7);
      this.emit(`${type}.or`);
    }
    this.compute(name, result);
    if (result !== null) this.stack.push(result);
  }

  private get(local: number): void {
    this.emit("local.get", ...unsigned(local));
    this.stack.push([...this.type.params, ...this.locals][local] as Type);
  }

  private set(local: number): void {
    this.emit("local.set", ...unsigned(local));
    this.stack.pop();
  }

  /** Makes locals copies of each other, or keeps the old value of one on the stack, and often reads them afterwards. */
  private copy(): void {
    const { random } = this;
    const all = [...this.type.params, ...this.locals];
    if (all.length === 0) return;
    const from = random.below(all.length);
    const type = all[from] as Type;
    const same = all.flatMap((local, index) => (local === type ? [index] : []));
    const to = random.pick(same);
    const third = random.pick(same);
    switch (random.below(6)) {
      case 0:
        this.get(from);
        this.set(to);
        break;
      case 1:
        this.get(from);
        this.emit("local.tee", ...unsigned(to));
        break;
      case 2:
        this.get(from);
        this.emit("local.tee", ...unsigned(to));
        this.set(third);
        break;
      case 3:
        this.get(from);
        this.get(to);
        this.set(from);
        this.set(to);
        break;
      case 4:
        this.get(from);
        if (type === "i32" && random.chance(50)) this.loaded(to);
        else this.use(to);
        this.set(from);
        break;
      default:
        this.get(from);
        this.leaf(type);
        this.set(from);
        this.get(from);
        this.set(to);
    }
    for (const local of random.pick([[], [from, to], [to, from], [from], [third, from, to]])) {
      this.use(local);
      if (random.chance(50)) this.set(random.pick(same));
    }
  }

  /** A local as the left operand of an operator that gives its type again. */
  private use(local: number): void {
    this.get(local);
    const type = this.stack[this.stack.length - 1] as Type;
    const { name, operands } = this.random.pick(
      this.computing.filter(
        ({ name, operands, result }) =>
          result === type && operands.every((operand) => operand === type) && !/^i.*(div|rem)/.test(name),
      ),
    );
    for (const operand of operands.slice(1)) this.leaf(operand);
    this.stack.length -= operands.length - 1;
    this.compute(name, type);
  }

  /** `local * 2^n + constant`, with a local that is bounded or not: what compilers make addresses of. Says whether it is. */
  private sum(local: number): boolean {
    const { random } = this;
    this.get(local);
    const step = (name: string, ...immediates: number[]): void => {
      this.emit("i32.const", ...immediates);
      this.emit(name);
    };
    const isBounded = random.chance(60);
    if (isBounded) step("i32.and", ...signed(random.pick([7, 255, 0xfff])));
    if (random.chance(30)) step("i32.xor", random.below(8));
    if (random.chance(60)) step("i32.shl", random.below(4));
    if (random.chance(80)) step("i32.add", ...signed(random.pick([0, 1, 8, 64, -8, 0x1000])));
    return isBounded;
  }

  /** A value loaded from there, and often what a constant makes of it. */
  private loaded(local: number): void {
    const { random } = this;
    const isBounded = this.sum(local);
    // Only with its bounds checked does an access outside of memory trap for certain.
    if (random.chance(30) || !(isBounded || this.floats)) {
      this.emit("i32.const", ...signed(ADDRESS_MASK));
      this.emit("i32.and");
    }
    this.emit(random.pick(["i32.load", "i32.load8_u", "i32.load16_s"]), 0, random.below(64));
    if (random.chance(70)) {
      this.emit("i32.const", ...signed(random.value("i32") & 0xffn));
      this.emit(random.pick(["i32.add", "i32.sub", "i32.xor", "i32.and", "i32.shl", "i32.mul", "i32.lt_u"]));
    }
  }

  /** A sum of a random local, as a value or as an operand of another sum. */
  private address(): void {
    const all = [...this.type.params, ...this.locals];
    const narrow = all.flatMap((local, index) => (local === "i32" ? [index] : []));
    if (narrow.length === 0) return;
    const local = this.random.pick(narrow);
    const isOperand = this.random.chance(50);
    if (isOperand) {
      this.need(["i32"]);
      this.stack.push("i32");
    }
    this.sum(local);
    if (!isOperand) return;
    this.emit(this.random.pick(["i32.add", "i32.sub", "i32.mul", "i32.xor"]));
    this.stack.pop();
  }

  /** The operator, and the canonical NaN where its result is a float. */
  private compute(name: string, result: Type | null): void {
    this.emit(name);
    if (result === "f32" || result === "f64")
      this.emit("call", ...unsigned(canonicalIndex(this.callees.length, result)));
  }

  private localOperation(): void {
    const all = [...this.type.params, ...this.locals];
    if (all.length === 0) return;
    const index = this.random.below(all.length);
    this.need([all[index] as Type]);
    const tee = this.random.chance(35);
    this.emit(tee ? "local.tee" : "local.set", ...unsigned(index));
    if (tee) this.stack.push(all[index] as Type);
  }

  private access({ name, operands, result }: Operator): void {
    this.need(["i32"]);
    // Atomic accesses must be aligned.
    if (!this.floats || name.includes("atomic") || this.random.chance(97)) {
      this.emit("i32.const", ...signed(ADDRESS_MASK));
      this.emit("i32.and");
    }
    this.stack.push("i32");
    for (const type of operands.slice(1)) this.leaf(type);
    this.stack.length -= operands.length;
    const width = /(8|16|32)(?:_|$|\.)/.exec(name.slice(3))?.[1] ?? name.slice(1, 3);
    const offset = name.includes("atomic") ? 8 * this.random.below(64) : this.random.below(600);
    const alignment = name.includes("atomic") ? Math.log2(Number(width) / 8) : 0;
    this.emit(name, alignment, ...unsigned(offset));
    if (result !== null) this.stack.push(result);
  }

  private bulk(): void {
    this.need(["i32"]);
    this.emit("i32.const", ...signed(ADDRESS_MASK));
    this.emit("i32.and");
    this.stack.push("i32");
    this.leaf("i32");
    const kind = this.random.pick(["copy", "copy", "fill", "init"]);
    if (kind !== "fill") {
      this.emit("i32.const", ...signed(kind === "copy" ? 0xffff : 63));
      this.emit("i32.and");
    }
    this.leaf("i32");
    this.emit("i32.const", ...signed(this.random.pick(kind === "init" ? [7, 63] : [7, 63, 511])));
    this.emit("i32.and");
    this.stack.length -= 3;
    const segment = this.random.below(this.module.data.length);
    if (kind === "copy") this.emit("memory.copy", 0, 0);
    else if (kind === "fill") this.emit("memory.fill", 0);
    else this.emit("memory.init", ...unsigned(segment), 0);
    if (this.random.chance(3)) this.emit("data.drop", ...unsigned(segment));
  }

  private globalSet(): void {
    const mutable = this.module.globals.flatMap((global, index) => (global.mutable && index > 0 ? [index] : []));
    const index = this.random.pick(mutable);
    this.need([this.module.globals[index]?.type as Type]);
    this.emit("global.set", ...unsigned(index));
  }

  private select(): void {
    const type = this.random.pick(this.kinds);
    this.need([type, type, "i32"]);
    this.emit("select");
    this.stack.push(type);
  }

  private types(most: number): Type[] {
    return Array.from({ length: this.random.below(most + 1) }, () => this.random.pick(this.kinds));
  }

  private construct(): void {
    if (this.frames.length > 7) return;
    const { random, stack } = this;
    const kind = random.pick(["block", "block", "loop", "if", "if"]);
    const params = random.chance(20) ? this.types(2) : [];
    const hasElse = random.chance(60);
    const results = kind === "if" && !hasElse ? params : this.types(random.chance(20) ? 3 : 1);
    this.need(kind === "if" ? [...params, "i32"] : params);
    this.emit(kind, ...blockType(this.module, { params, results }));
    this.frames.push({ labelTypes: kind === "loop" ? params : results, base: stack.length });
    stack.push(...params);
    if (kind === "loop") this.burnFuel();
    this.arm(results);
    if (kind === "if" && hasElse) {
      stack.length = this.base;
      stack.push(...params);
      this.emit("else");
      this.arm(results);
    }
    stack.length = this.base;
    this.frames.pop();
    this.emit("end");
    stack.push(...results);
  }

  private arm(results: readonly Type[]): void {
    this.run(1 + this.random.below(8));
    if (this.random.chance(25)) this.leave();
    else this.fit(results);
  }

  /** Ends reachable code; what follows is dropped by both compilers. */
  private leave(): void {
    const kind = this.random.below(8);
    const depth = this.random.below(this.frames.length);
    const types = this.labelTypes(depth);
    if (kind < 3) {
      this.need(types);
      this.emit("br", depth);
    } else if (kind < 6) {
      const same = this.frames.flatMap((_, i) => (this.labelTypes(i).join() === types.join() ? [i] : []));
      this.need([...types, "i32"]);
      const targets = Array.from({ length: this.random.below(6) }, () => this.random.pick(same));
      this.emit("br_table", ...unsigned(targets.length), ...targets, this.random.pick(same));
    } else if (kind === 6) {
      this.need(this.type.results);
      this.emit("return");
    } else this.emit("unreachable");
    if (this.random.chance(30)) {
      this.emit("i32.const", 5);
      this.emit("if", 0x40);
      this.emit("br", 0);
      this.emit("end");
    }
    this.emit("unreachable");
  }

  private labelTypes(depth: number): readonly Type[] {
    return (this.frames[this.frames.length - 1 - depth] as Frame).labelTypes;
  }

  private branchIf(): void {
    const depth = this.random.below(this.frames.length);
    const types = this.labelTypes(depth);
    this.need([...types, "i32"]);
    this.emit("br_if", depth);
    this.stack.push(...types);
  }

  private call(): void {
    const index = this.random.below(this.callees.length);
    const type = this.callees[index] as Signature;
    if (this.random.chance(70)) {
      this.need(type.params);
      this.emit("call", ...unsigned(index));
    } else {
      this.need([...type.params, "i32"]);
      if (this.random.chance(85)) {
        this.emit("drop");
        this.emit("i32.const", ...signed(index));
      }
      this.emit("call_indirect", ...unsigned(this.module.typeIndex(type)), 0);
    }
    this.stack.push(...type.results);
  }
}

export interface RandomModule {
  readonly bytes: Uint8Array;
  readonly calls: readonly Call[];
}

/** Index of the function that makes a NaN the canonical one: behind the functions and their harnesses. */
const canonicalIndex = (functionCount: number, type: "f32" | "f64"): number =>
  2 * functionCount + (type === "f32" ? 0 : 1);

function canonical(type: "f32" | "f64"): ModuleEncoder["functions"][number] {
  const nan = type === "f32" ? 0x7fc00000n : 0x7ff8000000000000n;
  const code = [
    ...[...opcode("local.get"), 0, ...constant(type, nan), ...opcode("local.get"), 0, ...opcode("local.get"), 0],
    ...[...opcode(`${type}.eq`), ...opcode("select"), ...opcode("end")],
  ];
  return { type: { params: [type], results: [type] }, locals: [], code };
}

export function randomModule(seed: number, floats = false, functionCount = 12): RandomModule {
  const kinds = floats ? ALL : INTEGERS;
  const random = new Random(seed);
  const module = new ModuleEncoder();
  module.pages = MEMORY_PAGES;
  module.globals.push({ type: "i32", mutable: true, value: 0n });
  for (const type of floats ? ALL : [...INTEGERS, ...INTEGERS]) {
    module.globals.push({ type, mutable: true, value: random.value(type) });
    module.globals.push({ type, mutable: false, value: random.value(type) });
  }
  const randomTypes = (most: number): Type[] =>
    Array.from({ length: random.below(most + 1) }, () => random.pick(kinds));
  const signatures = Array.from({ length: functionCount }, () => ({
    params: randomTypes(random.chance(30) ? 10 : 4),
    results: randomTypes(random.chance(25) ? 4 : 1),
  }));
  module.table = signatures.map((_, index) => index);
  module.tableSize = functionCount + 2;
  const bytes = (length: number): number[] => Array.from({ length }, () => random.below(256));
  module.data.push({ offset: 64, bytes: bytes(256) });
  // Passive; the last is often too short for what is copied from it.
  module.data.push({ offset: null, bytes: bytes(126) }, { offset: null, bytes: bytes(126) });
  module.data.push({ offset: null, bytes: bytes(40) });
  for (const type of signatures) {
    const locals = randomTypes(random.pick([3, 6, 6, 25, 40]));
    const size = random.chance(20) ? 150 : 40;
    const copying = random.pick([0, 10, 40]);
    const code = new FunctionGenerator(random, module, type, locals, signatures, size, floats, copying).generate();
    module.functions.push({ type, locals, code });
  }
  const calls: Call[] = [];
  for (const [index, type] of signatures.entries()) {
    module.functions.push(harness(index, type));
    for (let i = 0; i < 6; i++) {
      const args = (["i32", "i64", "i32", "i64"] as const).map((kind) => {
        const value = random.value(kind);
        return kind === "i32" ? Number(BigInt.asIntN(32, value)) : BigInt.asIntN(64, value);
      });
      calls.push({ name: `run${index}`, args });
    }
  }
  if (floats) module.functions.push(canonical("f32"), canonical("f64"));
  return { bytes: module.bytes, calls };
}

/** Gives a function fuel, arguments made from four, and folds its results into one i64. */
function harness(index: number, type: Signature): ModuleEncoder["functions"][number] {
  const code: number[] = [];
  const emit = (name: string, ...immediates: number[]): void => void code.push(...opcode(name), ...immediates);
  emit("i32.const", ...signed(FUEL_START));
  emit("global.set", FUEL);
  let next = 0;
  for (const param of type.params) {
    const isNarrow = param === "i32" || param === "f32";
    emit("local.get", isNarrow ? (next++ % 2) * 2 : 1 + (next++ % 2) * 2);
    if (param === "f32" || param === "f64") {
      emit(param === "f32" ? "f32.convert_i32_s" : "f64.convert_i64_s");
      continue;
    }
    emit(`${param}.const`, ...signed(next));
    emit(`${param}.add`);
  }
  emit("call", ...unsigned(index));
  for (const result of [...type.results].reverse()) {
    if (result === "f32") emit("i32.reinterpret_f32");
    if (result === "f64") emit("i64.reinterpret_f64");
    if (result === "i32" || result === "f32") emit("i64.extend_i32_u");
    emit("local.get", 4);
    emit("i64.const", 7);
    emit("i64.rotl");
    emit("i64.xor");
    emit("local.set", 4);
  }
  emit("local.get", 4);
  emit("end");
  const signature: Signature = { params: ["i32", "i64", "i32", "i64"], results: ["i64"] };
  return { type: signature, locals: ["i64"], code, exported: `run${index}` };
}
