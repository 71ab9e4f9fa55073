// A macro assembler for the part of AMD64 that gates and compiled wasm use: integer instructions, no x87 and no vectors.
//
// Methods are named after mnemonics; operands come destination first (Intel SDM order), whatever a listing in AT&T
// syntax beside the code shows. Where an instruction has several encodings the choice is GNU as's, so that a listing
// made with it compares byte for byte: the load form (8b) only when the source is memory, imm8 where it fits, the
// short accumulator forms, movabs only for what 32 sign-extended bits cannot say.
//
// Jumps to labels: backwards the short form is taken where it reaches, forwards rel32 unless "short" is asked for.
// Jumps to symbols (strings) are rel32 and are resolved when the launcher is linked.
//
// What cannot be encoded throws an OperandError that shows the operands; nothing is silently truncated. An immediate
// may be written signed or unsigned: -1 and 0xffffffff are the same 32-bit immediate; for a 64-bit instruction the
// value must be what the processor's sign extension of 32 bits gives.

import { Label, Memory, OperandError, rip } from "./operands.js";
import { Register, register, rsp, type Size } from "./registers.js";
import { SectionWriter } from "./sections.js";

export * from "./registers.js";
export * from "./operands.js";
export { AssemblyError } from "./sections.js";

export type Immediate = number | bigint;
export type Place = Register | Memory;

const conditions = {
  ...{ o: 0, no: 1, b: 2, c: 2, nae: 2, ae: 3, nb: 3, nc: 3, e: 4, z: 4, ne: 5, nz: 5, be: 6, na: 6, a: 7, nbe: 7 },
  ...{ s: 8, ns: 9, p: 10, pe: 10, np: 11, po: 11, l: 12, nge: 12, ge: 13, nl: 13, le: 14, ng: 14, g: 15, nle: 15 },
} as const;
export type Condition = keyof typeof conditions;

const NEGATED: readonly Condition[] = [
  ...(["no", "o", "ae", "b", "ne", "e", "a", "be"] as const),
  ...(["ns", "s", "np", "p", "ge", "l", "g", "le"] as const),
];

/** The condition that holds exactly when `condition` does not. */
export const negate = (condition: Condition): Condition => NEGATED[conditions[condition]] as Condition;

const isImmediate = (operand: unknown): operand is Immediate =>
  typeof operand === "number" || typeof operand === "bigint";

const OPERAND_SIZE_PREFIX = 0x66;
const REPNE = 0xf2;
const REP = 0xf3;
const LOCK = 0xf0;

/** How an instruction's ModRM is filled in; `opcode` holds up to three bytes, the first one on top. */
interface Encoding {
  opcode: number;
  /** Width of the operation: sets the operand size prefix or REX.W. */
  size: Size;
  /** Mandatory prefix: goes before REX. */
  prefix?: number;
  /** Bytes of immediate after ModRM: rip-relative operands count from the instruction's end. */
  immediateBytes?: number;
  /** REX.W is implied: push, pop, indirect jumps and calls. */
  default64?: boolean;
  /** Takes a lock prefix when its destination is memory. */
  lockable?: boolean;
}

export class Assembler extends SectionWriter {
  private lockPending = false;

  // ---- data movement ----

  mov(to: Place, from: Place | Immediate): void {
    if (isImmediate(from)) return this.movImmediate(to, from);
    const size = this.commonSize("mov", to, from);
    if (from instanceof Memory) this.modrm({ opcode: wide(0x8a, size), size }, asRegister("mov", to), from);
    else this.modrm({ opcode: wide(0x88, size), size }, from, to);
  }

  private movImmediate(to: Place, value: Immediate): void {
    const size = sizeOf("mov", to);
    if (to instanceof Register) {
      if (size === 64 && !fitsSigned32(value)) {
        this.opcodeRegister(0xb8, to, 64);
        this.here.u64(immediate64("mov", value));
        return;
      }
      if (size !== 64) {
        const checked = immediate("mov", value, size);
        this.opcodeRegister(size === 8 ? 0xb0 : 0xb8, to, size);
        return this.emitImmediate(checked, size);
      }
    }
    const checked = immediate("mov", value, size);
    this.modrm({ opcode: wide(0xc6, size), size, immediateBytes: Math.min(size, 32) / 8 }, 0, to);
    this.emitImmediate(checked, size);
  }

  movzx(to: Register, from: Place): void {
    this.extend("movzx", 0x0fb6, to, from);
  }

  movsx(to: Register, from: Place): void {
    this.extend("movsx", 0x0fbe, to, from);
  }

  private extend(name: string, opcode: number, to: Register, from: Place): void {
    const size = sizeOf(name, from);
    if (size >= 32 || size >= to.size) throw new OperandError(`${name} cannot extend ${from} to ${to}`);
    this.modrm({ opcode: opcode + (size === 16 ? 1 : 0), size: to.size }, to, from, size === 8);
  }

  movsxd(to: Register, from: Place): void {
    const size = from instanceof Memory ? (from.size ?? 32) : from.size;
    if (size !== 32 || to.size !== 64) throw new OperandError(`movsxd cannot extend ${from} to ${to}`);
    this.modrm({ opcode: 0x63, size: 64 }, to, from);
  }

  lea(to: Register, from: Memory | string | Label): void {
    const place = from instanceof Memory ? from : rip(from);
    if (to.size === 8) throw new OperandError(`lea cannot write ${to}`);
    if (place.segment !== null) throw new OperandError(`lea knows no segment: ${place}`);
    this.modrm({ opcode: 0x8d, size: to.size }, to, place);
  }

  xchg(to: Place, from: Place): void {
    const size = this.commonSize("xchg", to, from);
    const [reg, rm] = from instanceof Register ? [from, to] : [asRegister("xchg", to), from];
    if (rm instanceof Register && size !== 8) {
      // 90+r with the accumulator; `xchg %eax, %eax` must not become a nop, which would keep the upper half.
      const other = reg.number === 0 ? rm : rm.number === 0 ? reg : null;
      if (other !== null && !(size === 32 && other.number === 0)) return this.opcodeRegister(0x90, other, size);
    }
    this.modrm({ opcode: wide(0x86, size), size, lockable: true }, reg, rm);
  }

  bswap(of: Register): void {
    if (of.size < 32) throw new OperandError(`bswap cannot take ${of}`);
    this.opcodeRegister(0x0fc8, of, of.size);
  }

  push(from: Place | Immediate): void {
    if (isImmediate(from)) {
      const value = immediate("push", from, 64);
      const short = fitsSigned8(value);
      this.plain(short ? 0x6a : 0x68);
      if (short) this.here.u8(Number(value & 0xffn));
      else this.emitImmediate(value, 32);
    } else if (from instanceof Register) {
      if (from.size !== 64) throw new OperandError(`push cannot take ${from}`);
      this.opcodeRegister(0x50, from, 32);
    } else {
      if ((from.size ?? 64) !== 64) throw new OperandError(`push takes 64 bits of ${from}`);
      this.modrm({ opcode: 0xff, size: 64, default64: true }, 6, from);
    }
    this.frames.pushed(from instanceof Register ? from.number : null);
  }

  pop(to: Place): void {
    if ((to.size ?? 64) !== 64) throw new OperandError(`pop takes 64 bits, not ${to}`);
    const start = this.offset;
    if (to instanceof Register) this.opcodeRegister(0x58, to, 32);
    else this.modrm({ opcode: 0x8f, size: 64, default64: true }, 0, to);
    this.frames.popped(to instanceof Register ? to.number : null, start, this.offset);
  }

  // ---- arithmetic ----

  add(to: Place, from: Place | Immediate): void {
    const start = this.offset;
    this.arithmetic("add", 0, to, from);
    if (to === rsp && isImmediate(from)) this.frames.moved(Number(from), start, this.offset);
  }
  or(to: Place, from: Place | Immediate): void {
    this.arithmetic("or", 1, to, from);
  }
  adc(to: Place, from: Place | Immediate): void {
    this.arithmetic("adc", 2, to, from);
  }
  sbb(to: Place, from: Place | Immediate): void {
    this.arithmetic("sbb", 3, to, from);
  }
  and(to: Place, from: Place | Immediate): void {
    this.arithmetic("and", 4, to, from);
  }
  sub(to: Place, from: Place | Immediate): void {
    const start = this.offset;
    this.arithmetic("sub", 5, to, from);
    if (to === rsp && isImmediate(from)) this.frames.moved(-Number(from), start, this.offset);
  }
  xor(to: Place, from: Place | Immediate): void {
    this.arithmetic("xor", 6, to, from);
  }
  cmp(left: Place, right: Place | Immediate): void {
    this.arithmetic("cmp", 7, left, right);
  }

  private arithmetic(name: string, row: number, to: Place, from: Place | Immediate): void {
    const lockable = row !== 7;
    if (!isImmediate(from)) {
      const size = this.commonSize(name, to, from);
      const opcode = row * 8 + (size === 8 ? 0 : 1);
      if (from instanceof Memory) this.modrm({ opcode: opcode + 2, size }, asRegister(name, to), from);
      else this.modrm({ opcode, size, lockable }, from, to);
      return;
    }
    const size = sizeOf(name, to);
    const value = immediate(name, from, size);
    if (size !== 8 && fitsSigned8(value)) {
      this.modrm({ opcode: 0x83, size, immediateBytes: 1, lockable }, row, to);
      this.here.u8(Number(value & 0xffn));
      return;
    }
    if (to instanceof Register && to.number === 0) this.opcodeOnly(row * 8 + (size === 8 ? 4 : 5), size);
    else this.modrm({ opcode: wide(0x80, size), size, immediateBytes: Math.min(size, 32) / 8, lockable }, row, to);
    this.emitImmediate(value, size);
  }

  test(left: Place, right: Place | Immediate): void {
    if (!isImmediate(right)) {
      const size = this.commonSize("test", left, right);
      const [reg, rm] = right instanceof Register ? [right, left] : [asRegister("test", left), right];
      this.modrm({ opcode: wide(0x84, size), size }, reg, rm);
      return;
    }
    const size = sizeOf("test", left);
    const value = immediate("test", right, size);
    if (left instanceof Register && left.number === 0) this.opcodeOnly(wide(0xa8, size), size);
    else this.modrm({ opcode: wide(0xf6, size), size, immediateBytes: Math.min(size, 32) / 8 }, 0, left);
    this.emitImmediate(value, size);
  }

  inc(of: Place): void {
    this.unary("inc", 0xfe, 0, of, true);
  }
  dec(of: Place): void {
    this.unary("dec", 0xfe, 1, of, true);
  }
  not(of: Place): void {
    this.unary("not", 0xf6, 2, of, true);
  }
  neg(of: Place): void {
    this.unary("neg", 0xf6, 3, of, true);
  }
  mul(by: Place): void {
    this.unary("mul", 0xf6, 4, by);
  }
  div(by: Place): void {
    this.unary("div", 0xf6, 6, by);
  }
  idiv(by: Place): void {
    this.unary("idiv", 0xf6, 7, by);
  }

  private unary(name: string, opcode: number, row: number, of: Place, lockable = false): void {
    const size = sizeOf(name, of);
    this.modrm({ opcode: wide(opcode, size), size, lockable }, row, of);
  }

  /** One operand: rdx:rax = rax * operand. Two: to *= by. Three: to = by * factor. */
  imul(to: Place, by?: Place | Immediate, factor?: Immediate): void {
    if (by === undefined) return this.unary("imul", 0xf6, 5, to);
    const into = asRegister("imul", to);
    const [source, times] = isImmediate(by) ? [into, by] : [by, factor];
    const size = this.commonSize("imul", into, source);
    if (size === 8) throw new OperandError(`imul with two operands cannot take ${into}`);
    if (times === undefined) return this.modrm({ opcode: 0x0faf, size }, into, source);
    const value = immediate("imul", times, size);
    const short = fitsSigned8(value);
    const immediateBytes = short ? 1 : Math.min(size, 32) / 8;
    this.modrm({ opcode: short ? 0x6b : 0x69, size, immediateBytes }, into, source);
    this.emitImmediate(value, short ? 8 : size);
  }

  cdq(): void {
    this.plain(0x99);
  }
  cqo(): void {
    this.plain(0x48, 0x99);
  }

  rol(of: Place, by: Register | number): void {
    this.shift("rol", 0, of, by);
  }
  ror(of: Place, by: Register | number): void {
    this.shift("ror", 1, of, by);
  }
  shl(of: Place, by: Register | number): void {
    this.shift("shl", 4, of, by);
  }
  shr(of: Place, by: Register | number): void {
    this.shift("shr", 5, of, by);
  }
  sar(of: Place, by: Register | number): void {
    this.shift("sar", 7, of, by);
  }

  private shift(name: string, row: number, of: Place, by: Register | number): void {
    const size = sizeOf(name, of);
    if (by instanceof Register) {
      if (by.number !== 1 || by.size !== 8) throw new OperandError(`${name} counts in %cl, not in ${by}`);
      this.modrm({ opcode: wide(0xd2, size), size }, row, of);
    } else if (!Number.isInteger(by) || by < 0 || by >= size) {
      throw new OperandError(`${name} of ${size} bits by ${by}`);
    } else if (by === 1) {
      this.modrm({ opcode: wide(0xd0, size), size }, row, of);
    } else {
      this.modrm({ opcode: wide(0xc0, size), size, immediateBytes: 1 }, row, of);
      this.here.u8(by);
    }
  }

  bsf(to: Register, from: Place): void {
    this.bitScan("bsf", 0x0fbc, to, from);
  }
  bsr(to: Register, from: Place): void {
    this.bitScan("bsr", 0x0fbd, to, from);
  }
  tzcnt(to: Register, from: Place): void {
    this.bitScan("tzcnt", 0x0fbc, to, from, REP);
  }
  lzcnt(to: Register, from: Place): void {
    this.bitScan("lzcnt", 0x0fbd, to, from, REP);
  }
  popcnt(to: Register, from: Place): void {
    this.bitScan("popcnt", 0x0fb8, to, from, REP);
  }

  private bitScan(name: string, opcode: number, to: Register, from: Place, prefix?: number): void {
    const size = this.commonSize(name, to, from);
    if (size === 8) throw new OperandError(`${name} cannot take ${to}`);
    this.modrm(prefix === undefined ? { opcode, size } : { opcode, size, prefix }, to, from);
  }

  /** Bit test of `of`, into the carry flag. */
  bt(of: Place, bit: Register | number): void {
    this.bitTest("bt", 4, of, bit);
  }
  bts(of: Place, bit: Register | number): void {
    this.bitTest("bts", 5, of, bit);
  }
  btr(of: Place, bit: Register | number): void {
    this.bitTest("btr", 6, of, bit);
  }

  private bitTest(name: string, row: number, of: Place, bit: Register | number): void {
    const size = bit instanceof Register ? this.commonSize(name, of, bit) : sizeOf(name, of);
    if (size === 8) throw new OperandError(`${name} cannot take ${of}`);
    const lockable = row !== 4;
    if (bit instanceof Register) return this.modrm({ opcode: 0x0f83 + row * 8, size, lockable }, bit, of);
    if (!Number.isInteger(bit) || bit < 0 || bit >= size) throw new OperandError(`${name}: bit ${bit} of ${size}`);
    this.modrm({ opcode: 0x0fba, size, immediateBytes: 1, lockable }, row, of);
    this.here.u8(bit);
  }

  cmpxchg(to: Place, from: Register): void {
    const size = this.commonSize("cmpxchg", to, from);
    this.modrm({ opcode: wide(0x0fb0, size), size, lockable: true }, from, to);
  }

  xadd(to: Place, from: Register): void {
    const size = this.commonSize("xadd", to, from);
    this.modrm({ opcode: wide(0x0fc0, size), size, lockable: true }, from, to);
  }

  setcc(condition: Condition, to: Place): void {
    if ((to.size ?? 8) !== 8) throw new OperandError(`set${condition} writes 8 bits, not ${to}`);
    this.modrm({ opcode: 0x0f90 + conditions[condition], size: 8 }, 0, to);
  }

  cmovcc(condition: Condition, to: Register, from: Place): void {
    const size = this.commonSize(`cmov${condition}`, to, from);
    if (size === 8) throw new OperandError(`cmov${condition} cannot take ${to}`);
    this.modrm({ opcode: 0x0f40 + conditions[condition], size }, to, from);
  }

  // ---- control flow ----

  jmp(to: Label | string | Place, form?: "short" | "near"): void {
    if (to instanceof Register || to instanceof Memory) return this.indirect("jmp", 4, to);
    if (to instanceof Label && this.short(to, form)) {
      this.plain(0xeb);
      return this.relative8(to);
    }
    if (form === "short") throw new OperandError(`a short jmp to the symbol ${String(to)}: use a label`);
    this.plain(0xe9);
    this.relative32(to, -4, to instanceof Label && form === undefined ? 1 : undefined);
  }

  jcc(condition: Condition, to: Label | string, form?: "short" | "near"): void {
    if (to instanceof Label && this.short(to, form)) {
      this.plain(0x70 + conditions[condition]);
      return this.relative8(to);
    }
    if (form === "short") throw new OperandError(`a short j${condition} to the symbol ${String(to)}: use a label`);
    this.plain(0x0f, 0x80 + conditions[condition]);
    this.relative32(to, -4, to instanceof Label && form === undefined ? 2 : undefined);
  }

  je = (to: Label | string, form?: "short" | "near"): void => this.jcc("e", to, form);
  jne = (to: Label | string, form?: "short" | "near"): void => this.jcc("ne", to, form);
  jb = (to: Label | string, form?: "short" | "near"): void => this.jcc("b", to, form);
  jae = (to: Label | string, form?: "short" | "near"): void => this.jcc("ae", to, form);
  jbe = (to: Label | string, form?: "short" | "near"): void => this.jcc("be", to, form);
  ja = (to: Label | string, form?: "short" | "near"): void => this.jcc("a", to, form);
  js = (to: Label | string, form?: "short" | "near"): void => this.jcc("s", to, form);
  jns = (to: Label | string, form?: "short" | "near"): void => this.jcc("ns", to, form);
  jl = (to: Label | string, form?: "short" | "near"): void => this.jcc("l", to, form);
  jge = (to: Label | string, form?: "short" | "near"): void => this.jcc("ge", to, form);
  jle = (to: Label | string, form?: "short" | "near"): void => this.jcc("le", to, form);
  jg = (to: Label | string, form?: "short" | "near"): void => this.jcc("g", to, form);

  /** rel8 only, and reads no flags. */
  jrcxz(to: Label): void {
    this.plain(0xe3);
    this.relative8(to);
  }

  call(to: Label | string | Place): void {
    if (to instanceof Register || to instanceof Memory) return this.indirect("call", 2, to);
    this.plain(0xe8);
    this.relative32(to, -4);
  }

  private indirect(name: string, row: number, to: Place): void {
    if ((to.size ?? 64) !== 64) throw new OperandError(`${name} goes through 64 bits, not ${to}`);
    this.modrm({ opcode: 0xff, size: 64, default64: true }, row, to);
  }

  private short(to: Label, form: "short" | "near" | undefined): boolean {
    if (form !== undefined) return form === "short";
    return to.section === this.here.index && to.offset - (this.here.size + 2) >= -128;
  }

  ret(): void {
    const start = this.offset;
    this.plain(0xc3);
    this.frames.returned(start);
  }

  // ---- the rest, without operands or nearly so ----

  nop(): void {
    this.plain(0x90);
  }
  int3(): void {
    this.plain(0xcc);
  }
  int(vector: number): void {
    this.plain(0xcd, vector);
  }
  ud2(): void {
    this.plain(0x0f, 0x0b);
  }
  hlt(): void {
    this.plain(0xf4);
  }
  syscall(): void {
    this.plain(0x0f, 0x05);
  }
  pushfq(): void {
    this.plain(0x9c);
  }
  popfq(): void {
    this.plain(0x9d);
  }
  lahf(): void {
    this.plain(0x9f);
  }
  sahf(): void {
    this.plain(0x9e);
  }
  cld(): void {
    this.plain(0xfc);
  }
  std(): void {
    this.plain(0xfd);
  }
  clc(): void {
    this.plain(0xf8);
  }
  stc(): void {
    this.plain(0xf9);
  }
  pause(): void {
    this.plain(REP, 0x90);
  }
  mfence(): void {
    this.plain(0x0f, 0xae, 0xf0);
  }
  lfence(): void {
    this.plain(0x0f, 0xae, 0xe8);
  }
  cpuid(): void {
    this.plain(0x0f, 0xa2);
  }
  rdtsc(): void {
    this.plain(0x0f, 0x31);
  }
  rdtscp(): void {
    this.plain(0x0f, 0x01, 0xf9);
  }
  xgetbv(): void {
    this.plain(0x0f, 0x01, 0xd0);
  }
  endbr64(): void {
    this.plain(REP, 0x0f, 0x1e, 0xfa);
  }

  rdfsbase(to: Register): void {
    this.segmentBase("rdfsbase", 0, to);
  }
  rdgsbase(to: Register): void {
    this.segmentBase("rdgsbase", 1, to);
  }
  wrfsbase(from: Register): void {
    this.segmentBase("wrfsbase", 2, from);
  }
  wrgsbase(from: Register): void {
    this.segmentBase("wrgsbase", 3, from);
  }

  private segmentBase(name: string, row: number, of: Register): void {
    if (of.size < 32) throw new OperandError(`${name} cannot take ${of}`);
    this.modrm({ opcode: 0x0fae, size: of.size, prefix: REP }, row, of);
  }

  // String instructions use rsi, rdi, rcx and rax implicitly.
  movsb(): void {
    this.plain(0xa4);
  }
  movsq(): void {
    this.plain(0x48, 0xa5);
  }
  stosb(): void {
    this.plain(0xaa);
  }
  stosd(): void {
    this.plain(0xab);
  }
  stosq(): void {
    this.plain(0x48, 0xab);
  }

  /** `rep` before the string instruction that follows: `a.rep().movsb()`. */
  rep(): this {
    this.plain(REP);
    return this;
  }

  repne(): this {
    this.plain(REPNE);
    return this;
  }

  /** `lock` before the instruction that follows, which must write memory and be one that takes it. */
  lock(): this {
    if (this.lockPending) throw new OperandError("lock twice");
    this.lockPending = true;
    return this;
  }

  // ---- scalar floating point: SSE2, xmm0 to xmm7 by number ----

  /** Numbers of the vector registers that were written so far, as a bit set. */
  usedVectors = 0;

  /** Bits of a general register to the low lane; the rest of the 128 bits becomes zero. */
  movToVector(to: number, from: Register): void {
    this.vector(0x0f6e, 0x66, from.size, to, from);
  }
  movFromVector(to: Register, from: number): void {
    this.modrm({ opcode: 0x0f7e, size: to.size, prefix: OPERAND_SIZE_PREFIX }, from, to);
  }
  addFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f58, size, to, from);
  }
  mulFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f59, size, to, from);
  }
  subFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f5c, size, to, from);
  }
  minFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f5d, size, to, from);
  }
  divFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f5e, size, to, from);
  }
  maxFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f5f, size, to, from);
  }
  sqrtFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f51, size, to, from);
  }
  /** cvtss2sd, cvtsd2ss: from `size` to the other width. */
  convertFloat(size: 32 | 64, to: number, from: number): void {
    this.scalar(0x0f5a, size, to, from);
  }
  /** cvtsi2ss, cvtsi2sd: a signed integer to a float of `size`. */
  convertInteger(size: 32 | 64, to: number, from: Register): void {
    this.vector(0x0f2a, size === 32 ? REP : REPNE, from.size, to, from);
  }
  /** cvttsd2si: 0x8000... where the result does not fit. */
  truncateDouble(to: Register, from: number): void {
    this.modrm({ opcode: 0x0f2c, size: to.size, prefix: REPNE }, to, register(from, 32));
  }
  /** ucomiss, ucomisd: ZF, PF and CF as unordered, greater, less or equal. */
  compareFloat(size: 32 | 64, left: number, right: number): void {
    const encoding = { opcode: 0x0f2e, size: 32 as const };
    const prefixed = size === 64 ? { ...encoding, prefix: OPERAND_SIZE_PREFIX } : encoding;
    this.modrm(prefixed, left, register(right, 32));
  }

  private scalar(opcode: number, size: 32 | 64, to: number, from: number): void {
    this.vector(opcode, size === 32 ? REP : REPNE, 32, to, register(from, 32));
  }

  private vector(opcode: number, prefix: number, size: Size, to: number, from: Register): void {
    if (to > 7) throw new OperandError(`xmm${to} is not used`);
    this.usedVectors |= 1 << to;
    this.modrm({ opcode, size, prefix }, to, from);
  }

  // ---- encoding ----

  private plain(...bytes: number[]): void {
    if (this.lockPending) throw new OperandError("lock before an instruction that does not take it");
    for (const byte of bytes) this.here.u8(byte);
  }

  private opcodeBytes(opcode: number): void {
    if (opcode > 0xffff) this.here.u8(opcode >>> 16);
    if (opcode > 0xff) this.here.u8((opcode >>> 8) & 0xff);
    this.here.u8(opcode & 0xff);
  }

  /** An opcode with implied accumulator. */
  private opcodeOnly(opcode: number, size: Size): void {
    this.plain();
    if (size === 16) this.here.u8(OPERAND_SIZE_PREFIX);
    if (size === 64) this.here.u8(0x48);
    this.here.u8(opcode);
  }

  /** An opcode that holds the register in its low three bits. */
  private opcodeRegister(opcode: number, of: Register, size: Size): void {
    this.plain();
    if (size === 16) this.here.u8(OPERAND_SIZE_PREFIX);
    const rex = (size === 64 ? 8 : 0) | (of.number >> 3);
    if (rex !== 0 || (size === 8 && of.number >= 4)) this.here.u8(0x40 | rex);
    this.opcodeBytes(opcode | (of.number & 7));
  }

  /**
   * Prefixes, REX, opcode, ModRM, SIB and displacement (SDM volume 2, section 2.1).
   * @param reg the register of ModRM.reg, or the opcode extension there
   * @param byteSource ModRM.rm is an 8-bit register although `size` says otherwise (movzx, movsx)
   */
  private modrm(encoding: Encoding, reg: Register | number, rm: Place, byteSource = false): void {
    const { opcode, size } = encoding;
    const out = this.here;
    if (this.lockPending) {
      if (encoding.lockable !== true || !(rm instanceof Memory)) {
        throw new OperandError(`lock before an instruction that does not take it, or not on ${rm}`);
      }
      out.u8(LOCK);
      this.lockPending = false;
    }
    if (rm instanceof Memory && rm.segment !== null) out.u8(rm.segment === "fs" ? 0x64 : 0x65);
    if (size === 16) out.u8(OPERAND_SIZE_PREFIX);
    if (encoding.prefix !== undefined) out.u8(encoding.prefix);

    const regNumber = typeof reg === "number" ? reg : reg.number;
    let rex = size === 64 && encoding.default64 !== true ? 8 : 0;
    let rexNeeded = reg instanceof Register && reg.size === 8 && regNumber >= 4;
    if (regNumber >= 8) rex |= 4;
    if (rm instanceof Register) {
      if (rm.number >= 8) rex |= 1;
      if ((size === 8 || byteSource) && rm.number >= 4) rexNeeded = true;
    } else {
      if (rm.index !== null && rm.index.number >= 8) rex |= 2;
      if (rm.base !== null && rm.base.number >= 8) rex |= 1;
    }
    if (rex !== 0 || rexNeeded) out.u8(0x40 | rex);
    this.opcodeBytes(opcode);
    const regBits = (regNumber & 7) << 3;
    if (rm instanceof Register) out.u8(0xc0 | regBits | (rm.number & 7));
    else this.memory(rm, regBits, encoding.immediateBytes ?? 0);
  }

  private memory(place: Memory, regBits: number, immediateBytes: number): void {
    const out = this.here;
    const { base, index, disp } = place;
    if (place.symbol !== null) {
      out.u8(regBits | 5);
      this.relative32(place.symbol, disp - 4 - immediateBytes);
      return;
    }
    const scaleBits = place.scale === 1 ? 0 : place.scale === 2 ? 0x40 : place.scale === 4 ? 0x80 : 0xc0;
    const indexBits = index === null ? 0x20 : (index.number & 7) << 3;
    if (base === null) {
      // Without a base: SIB with base 101 and mod 00, then disp32. ModRM alone would mean rip-relative.
      out.u8(regBits | 4);
      out.u8((index === null ? 0 : scaleBits) | indexBits | 5);
      out.u32(disp);
      return;
    }
    const low = base.number & 7;
    // rbp and r13 with mod 00 would mean "no base": they take a disp8 of zero.
    const mod = disp === 0 && low !== 5 ? 0 : disp >= -128 && disp <= 127 ? 0x40 : 0x80;
    if (index !== null || low === 4) {
      out.u8(mod | regBits | 4);
      out.u8((index === null ? 0 : scaleBits) | indexBits | low);
    } else {
      out.u8(mod | regBits | low);
    }
    if (mod === 0x40) out.u8(disp & 0xff);
    else if (mod === 0x80) out.u32(disp);
  }

  private emitImmediate(value: bigint, size: Size): void {
    if (size === 8) this.here.u8(Number(value & 0xffn));
    else if (size === 16) this.here.u16(Number(value & 0xffffn));
    else this.here.u32(Number(value & 0xffffffffn));
  }

  /** The width both operands agree on; one of them must state it. */
  private commonSize(name: string, left: Place, right: Place): Size {
    if (left instanceof Memory && right instanceof Memory) {
      throw new OperandError(`${name} cannot take two memory operands: ${left}, ${right}`);
    }
    const size = left.size ?? right.size;
    if (size === null || (right.size ?? size) !== size) {
      throw new OperandError(`${name}: ${left} and ${right} differ in width`);
    }
    return size;
  }
}

/** Opcodes come in pairs: the even one for 8 bits, the odd one for the other widths. */
const wide = (opcode: number, size: Size): number => (size === 8 ? opcode : opcode + 1);

function sizeOf(name: string, of: Place): Size {
  if (of.size === null) throw new OperandError(`${name}: nothing says how wide ${of} is; use mem8 to mem64`);
  return of.size;
}

function asRegister(name: string, place: Place): Register {
  if (place instanceof Register) return place;
  throw new OperandError(`${name} cannot write ${place}`);
}

const fitsSigned8 = (value: bigint): boolean => value >= -128n && value <= 127n;
const fitsSigned32 = (value: Immediate): boolean => {
  const signed = BigInt.asIntN(64, BigInt(value));
  return signed === BigInt.asIntN(32, signed) && BigInt(value) >= -(1n << 63n) && BigInt(value) < 1n << 64n;
};

function immediate64(name: string, value: Immediate): bigint {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new OperandError(`${name}: ${value} is inexact`);
  const wideValue = BigInt(value);
  if (wideValue < -(1n << 63n) || wideValue >= 1n << 64n) {
    throw new OperandError(`${name}: ${value} does not fit in 64 bits`);
  }
  return wideValue;
}

/** The signed value of an immediate, which is at most 32 bits wide and sign-extended to `size`. */
function immediate(name: string, value: Immediate, size: Size): bigint {
  const given = immediate64(name, value);
  const low = size === 64 ? -(1n << 63n) : -(1n << BigInt(size - 1));
  if (given < low || given >= 1n << BigInt(size)) {
    throw new OperandError(`${name}: ${value} does not fit in ${size} bits`);
  }
  const signed = BigInt.asIntN(size, given);
  if (signed !== BigInt.asIntN(Math.min(size, 32), signed)) {
    throw new OperandError(`${name}: ${value} is not 32 bits sign-extended to 64`);
  }
  return signed;
}
