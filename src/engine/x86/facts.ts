// What an instruction reads and writes: memory, registers, flags. For matchers and hooks; the decoder does not need it.
//
// The facts of a row are in opcodes.txt; this file finds the row again (the same test as in decode.ts, on the fact tables)
// and turns places into numbers of registers. What it says is for code that runs without a fault, and errs on the side of
// more: a conditional write (cmov, a masked move, rep with rcx = 0) counts as a write.
//
// Not told apart: which bytes of a register are meant (but see `registersPartly`), x87, MMX, control, debug, segment and
// tile registers, MXCSR. Instructions that APX made out of others (EVEX map 4, EVEX forms of BMI, AMX and opmask moves) have
// families for rows: `isKnown` is 0.

import {
  ENCODING_EVEX,
  ENCODING_LEGACY,
  ENCODING_REX2,
  Instruction,
  MAP_ONE_BYTE,
  PREFIX_FS,
  PREFIX_GS,
  PREFIX_OPERAND_SIZE,
  PREFIX_REP,
  PREFIX_REPNE,
} from "./instruction";
import {
  ACCEPT_LENGTH_SHIFT,
  ACCEPT_MOD_SHIFT,
  ACCEPT_REG_SHIFT,
  ACCEPT_REX2_SHIFT,
  ACCEPT_RM_SHIFT,
  ACCEPT_W_SHIFT,
  ATTRIBUTE_LAST,
  PAGE_OF_MAP,
  PREFIX_OF_BYTE,
} from "./opcode-tables";
import {
  ELEMENT_BROADCAST,
  ELEMENT_READS_VECTORS,
  ELEMENT_VSIB,
  ELEMENT_WRITES_VECTORS,
  FACT_FORMS,
  FACT_INDEX,
  FACT_RECORDS,
  IMPLICIT_ANY_MOD,
  IMPLICIT_BYTE,
  IMPLICIT_LOAD,
  IMPLICIT_POP,
  IMPLICIT_PUSH,
  IMPLICIT_SIZED,
  IMPLICIT_STORE,
  IMPLICIT_UNKNOWN,
  KIND_HINT,
  KIND_LOCKS,
  KIND_SIMD,
  KIND_STRING,
  KIND_X87,
  MNEMONIC_NOP,
  MNEMONIC_PAUSE,
  MNEMONIC_SHIFT,
  PLACE_IS4,
  PLACE_MOFFS,
  PLACE_NONE,
  PLACE_OPCODE,
  PLACE_OPCODE_BYTE,
  PLACE_OPCODE_SIZED,
  PLACE_RDI,
  PLACE_REG,
  PLACE_REG_BYTE,
  PLACE_REG_SIZED,
  PLACE_REG_OPMASK,
  PLACE_REG_OPMASK_PAIR,
  PLACE_REG_VECTOR,
  PLACE_RM,
  PLACE_RM_BYTE,
  PLACE_RM_SIZED,
  PLACE_RM_OPMASK,
  PLACE_RM_OTHER,
  PLACE_RM_VECTOR,
  PLACE_RSI,
  PLACE_VVVV,
  PLACE_VVVV_OPMASK,
  PLACE_VVVV_VECTOR,
  RECORD_SIZE,
  SIZE_512,
  SIZE_VARIABLE,
} from "./fact-tables";

/** Access to memory or a register. */
export const ACCESS_NONE: u8 = 0;
export const ACCESS_READ: u8 = 1;
export const ACCESS_WRITE: u8 = 2;

/** Bits of `flagsRead` and `flagsWritten`. */
export const FLAG_OF: u8 = 1 << 0;
export const FLAG_SF: u8 = 1 << 1;
export const FLAG_ZF: u8 = 1 << 2;
export const FLAG_AF: u8 = 1 << 3;
export const FLAG_PF: u8 = 1 << 4;
export const FLAG_CF: u8 = 1 << 5;
export const FLAG_DF: u8 = 1 << 6;

/** Numbers for `base` and `index` besides those of general registers. */
export const REGISTER_NONE: u8 = 0xff;
export const REGISTER_RIP: u8 = 0xfe;

const RSP: u32 = 4;

@unmanaged
export class Facts {
  /** General registers (bit n: register n of ModRM's numbering, 16 and up APX), read: in addresses too. */
  registersRead: u32;
  /** ... written, wholly or in part. */
  registersWritten: u32;
  /** ... written in their low one or two bytes (or ah, ch, dh, bh) only: what was there before partly stays. */
  registersPartly: u32;
  /** Vector registers xmm0..xmm31 and their upper parts. */
  vectorsRead: u32;
  vectorsWritten: u32;
  /** Opmask registers k0..k7. */
  opmasksRead: u8;
  opmasksWritten: u8;
  flagsRead: u8;
  flagsWritten: u8;
  /** The operand in memory (ModRM or moffs): ACCESS_ bits; 0 where there is none, or it is only an address (lea). */
  memoryAccess: u8;
  /** Memory at rsi and rdi: string instructions. */
  rsiAccess: u8;
  rdiAccess: u8;
  /** push writes, pop reads. */
  stackAccess: u8;
  /** Memory at an address that no operand spells: maskmovq, xlat, movdir64b. */
  otherAccess: u8;
  /** REGISTER_NONE, REGISTER_RIP, or the number of a general register: the address of the operand in memory. */
  base: u8;
  index: u8;
  /** 1, 2, 4, 8. */
  scale: u8;
  /** 1 when `index` is a vector register (VSIB): many addresses. */
  isVectorIndex: u8;
  /** 1: fs base, 2: gs base is added to the address of the operand (and of memory at rsi). */
  segment: u8;
  /** EVEX: what disp8 is multiplied by; 1 elsewhere. */
  disp8Scale: u8;
  /** 0 when this file does not know the instruction; the other fields then say nothing. */
  isKnown: u8;
  /** Bytes of the operand in memory (or at rsi, rdi), 0: not known, or nothing is accessed. With VSIB, of one element. */
  memorySize: u16;
}
export const FACTS_SIZE = offsetof<Facts>();

/** Fills `facts` (an engine pointer to Facts) for a decoded instruction, whose bytes are at engine pointer `pointer`. */
export function describe(pointer: usize, instruction: usize, facts: usize): void {
  describeForm(pointer, instruction, findForm(instruction), facts);
}

/** The same, for a form that has been looked up. */
export function describeForm(pointer: usize, instruction: usize, form: usize, facts: usize): void {
  memory.fill(facts, 0, FACTS_SIZE);
  const i = changetype<Instruction>(instruction);
  const f = changetype<Facts>(facts);
  f.base = REGISTER_NONE;
  f.index = REGISTER_NONE;
  f.scale = 1;
  f.disp8Scale = 1;
  if (form == 0) return;
  const record = recordOf(form);
  const implicit: u32 = load<u8>(record, 12);
  if (implicit & IMPLICIT_UNKNOWN) return;
  f.isKnown = 1;
  if (isNop(i)) return;
  f.flagsRead = load<u8>(record, 6);
  f.flagsWritten = load<u8>(record, 7);
  f.registersRead = load<u16>(record, 8);
  f.registersWritten = load<u16>(record, 10);
  if (implicit & IMPLICIT_BYTE || (implicit & IMPLICIT_SIZED && isSmall(i)))
    f.registersPartly = f.registersWritten & ~(1 << RSP);
  if (implicit & IMPLICIT_PUSH) f.stackAccess |= ACCESS_WRITE;
  if (implicit & IMPLICIT_POP) f.stackAccess |= ACCESS_READ;
  if (implicit & IMPLICIT_LOAD) f.otherAccess |= ACCESS_READ;
  if (implicit & IMPLICIT_STORE) f.otherAccess |= ACCESS_WRITE;
  const element: u32 = load<u8>(record, 13);
  f.vectorsRead = element & ELEMENT_READS_VECTORS ? 0xffff : load<u8>(record, 14);
  f.vectorsWritten = element & ELEMENT_WRITES_VECTORS ? 0xffff : load<u8>(record, 15);
  const isMemory = i.modrmOffset != 0 && i.modrm < 0xc0 && !(implicit & IMPLICIT_ANY_MOD);
  f.segment = segmentOf(pointer, i);
  if (isMemory) describeAddress(i, f, (element & ELEMENT_VSIB) != 0);
  if (i.encoding == ENCODING_EVEX) f.opmasksRead |= opmaskBit(i.evex & 7);
  for (let n: usize = 0; n < 5; n++) {
    const operand: u32 = load<u8>(record + n);
    const place = operand & 63;
    if (place == PLACE_NONE) break;
    if (place == PLACE_IS4) addVector(f, load<u8>(pointer + i.immOffset) >> 4, operand >> 6);
    else addOperand(i, f, isMemory, place, (operand >> 6) as u8);
  }
  // A gather or scatter clears its opmask as it goes.
  if (i.encoding == ENCODING_EVEX && element & ELEMENT_VSIB && f.memoryAccess)
    f.opmasksWritten |= opmaskBit(i.evex & 7);
  // A masked write without {z} keeps the other elements.
  if (i.encoding == ENCODING_EVEX && i.evex & 7 && !(i.evex & 0x80)) f.vectorsRead |= f.vectorsWritten;
  addRepeat(i, f);
  if (f.memoryAccess | f.rsiAccess | f.rdiAccess) f.memorySize = sizeOf(i, load<u8>(record, 5), element, true) as u16;
  if (i.encoding == ENCODING_EVEX && f.memoryAccess) f.disp8Scale = disp8ScaleOf(f, element);
}

/** k0 as an opmask means "none". */
function opmaskBit(number: u32): u8 {
  return number == 0 ? 0 : 1 << (number as u8);
}

/** 90 is `xchg %eax,%eax` in the tables, and does nothing; with REX.B it is `xchg %eax,%r8d`, with F3 `pause` (SDM, NOP). */
function isNop(i: Instruction): bool {
  if (i.opcode != 0x90 || i.map != MAP_ONE_BYTE) return false;
  return i.mandatoryPrefix == 2 || (!(i.rex & 1) && !(i.rexHigh & 1));
}

function recordOf(form: usize): usize {
  return FACT_RECORDS + (load<u32>(form, 4) & ((1 << MNEMONIC_SHIFT) - 1)) * (RECORD_SIZE as u32);
}

/** Number of a mnemonic (src/match/mnemonics.ts), for the form of a decoded instruction; 0: it has none. */
export function mnemonicOf(instruction: usize, form: usize): u32 {
  const i = changetype<Instruction>(instruction);
  if (isNop(i)) return i.mandatoryPrefix == 2 ? MNEMONIC_PAUSE : MNEMONIC_NOP;
  return form == 0 ? 0 : (load<u32>(form, 4) & ~ATTRIBUTE_LAST) >> MNEMONIC_SHIFT;
}

export { KIND_HINT, KIND_LOCKS, KIND_SIMD, KIND_STRING, KIND_X87 };

/** KIND_ bits of a form. */
export function kindOf(form: usize): u32 {
  return load<u8>(recordOf(form), 17);
}

/** Size of a form's first operand in bytes; 0: it has none, or none of a known size. */
export function widthOf(instruction: usize, form: usize): u32 {
  const i = changetype<Instruction>(instruction);
  const record = recordOf(form);
  return sizeOf(i, load<u8>(record, 16), load<u8>(record, 13), false);
}

/** Engine pointer to what the tables say about a decoded instruction, or 0. */
export function findForm(instruction: usize): usize {
  const i = changetype<Instruction>(instruction);
  const encoding: u32 = i.encoding == ENCODING_REX2 ? ENCODING_LEGACY : i.encoding;
  const page: u32 = load<u8>(PAGE_OF_MAP + ((encoding << 4) | i.map));
  const isLegacy = encoding == ENCODING_LEGACY;
  const evex: u32 = i.evex;
  let length = (evex >> 5) & 3;
  if (isLegacy) length = u32((i.prefixes & PREFIX_OPERAND_SIZE) != 0);
  const isRegister: bool = i.modrm >= 0xc0;
  if (i.encoding == ENCODING_EVEX && evex & 0x10 && isRegister && i.map != 4) length = 2;
  const state: u32 =
    (1 << i.mandatoryPrefix) |
    (1 << (ACCEPT_W_SHIFT + ((i.rex >> 3) & 1))) |
    (1 << (ACCEPT_LENGTH_SHIFT + length)) |
    (1 << (ACCEPT_MOD_SHIFT + u32(isRegister))) |
    (1 << (ACCEPT_REG_SHIFT + ((i.modrm >> 3) & 7))) |
    (1 << (ACCEPT_RM_SHIFT + (i.modrm & 7))) |
    (1 << (ACCEPT_REX2_SHIFT + u32(i.encoding == ENCODING_REX2)));
  let form: usize = FACT_FORMS + ((load<u16>(FACT_INDEX + ((page * 256 + i.opcode) << 1)) as usize) << 3);
  while ((load<u32>(form) & state) != state) {
    if (load<u32>(form, 4) & ATTRIBUTE_LAST) return 0;
    form += 8;
  }
  return form;
}

/** The last of fs and gs counts; in 64-bit mode the others do nothing. */
function segmentOf(pointer: usize, i: Instruction): u8 {
  let segment: u8 = 0;
  if (!(i.prefixes & (PREFIX_FS | PREFIX_GS))) return segment;
  // A prefix is a byte before the opcode; what else stands there (REX, VEX) comes after all prefixes that count.
  for (let at: usize = 0; at < i.opcodeOffset; at++) {
    const byte: u32 = load<u8>(pointer + at);
    if (load<u16>(PREFIX_OF_BYTE + (byte << 1)) == 0) break;
    if (byte == 0x64) segment = 1;
    if (byte == 0x65) segment = 2;
  }
  return segment;
}

/** Base, index and scale of the ModRM operand. SDM volume 2, tables 2-2 and 2-3. */
function describeAddress(i: Instruction, f: Facts, isVector: bool): void {
  const high: u32 = i.rexHigh;
  const baseExtension = ((i.rex & 1) << 3) | ((high & 1) << 4);
  if (i.ripRelative) {
    f.base = REGISTER_RIP;
    return;
  }
  if (!i.hasSib) {
    f.base = ((i.modrm & 7) | baseExtension) as u8;
  } else {
    if (i.modrm >= 0x40 || (i.sib & 7) != 5) f.base = ((i.sib & 7) | baseExtension) as u8;
    const index: u32 = ((i.sib >> 3) & 7) | ((i.rex & 2) << 2) | ((high & 2) << 3);
    f.scale = (1 << (i.sib >> 6)) as u8;
    if (isVector) {
      f.index = (index | (i.encoding == ENCODING_EVEX ? i.vvvv & 16 : 0)) as u8;
      f.isVectorIndex = 1;
      f.vectorsRead |= 1 << f.index;
    } else if (index != RSP) {
      f.index = index as u8;
      f.registersRead |= 1 << index;
    }
  }
  if (f.base != REGISTER_NONE) f.registersRead |= 1 << f.base;
}

function addRegister(f: Facts, number: u32, access: u32, isPart: bool): void {
  if (access & ACCESS_READ) f.registersRead |= 1 << number;
  if (access & ACCESS_WRITE) {
    f.registersWritten |= 1 << number;
    if (isPart) f.registersPartly |= 1 << number;
  }
}

/** ah, ch, dh, bh are 4..7 of a byte register when there is no REX prefix. */
function byteRegister(i: Instruction, number: u32): u32 {
  return i.rex == 0 && number >= 4 && number < 8 ? number - 4 : number;
}

function addVector(f: Facts, number: u32, access: u32): void {
  if (access & ACCESS_READ) f.vectorsRead |= 1 << number;
  if (access & ACCESS_WRITE) f.vectorsWritten |= 1 << number;
}

function addOpmask(f: Facts, number: u32, access: u32): void {
  if (access & ACCESS_READ) f.opmasksRead |= 1 << (number as u8);
  if (access & ACCESS_WRITE) f.opmasksWritten |= 1 << (number as u8);
}

/** Operands of variable size have 16 bits. */
function isSmall(i: Instruction): bool {
  return (i.prefixes & PREFIX_OPERAND_SIZE) != 0 && (i.rex & 8) == 0;
}

/** ModRM.rm as a register. X extends a vector register in EVEX. */
function addRmRegister(i: Instruction, f: Facts, place: u32, access: u8, isPart: bool): void {
  const rm: u32 = (i.modrm & 7) | ((i.rex & 1) << 3);
  const general: u32 = rm | ((i.rexHigh & 1) << 4);
  const vector: u32 = rm | (i.encoding == ENCODING_EVEX ? (i.rex & 2) << 3 : 0);
  if (place == PLACE_RM || place == PLACE_RM_SIZED) addRegister(f, general, access, isPart);
  else if (place == PLACE_RM_BYTE) addRegister(f, byteRegister(i, general), access, true);
  else if (place == PLACE_RM_VECTOR) addVector(f, vector, access);
  else if (place == PLACE_RM_OPMASK) addOpmask(f, rm & 7, access);
}

function addOperand(i: Instruction, f: Facts, isMemory: bool, place: u32, access: u8): void {
  const rex: u32 = i.rex;
  const high: u32 = i.rexHigh;
  const reg: u32 = ((i.modrm >> 3) & 7) | ((rex & 4) << 1) | ((high & 4) << 2);
  const isSized = place == PLACE_RM_SIZED || place == PLACE_REG_SIZED || place == PLACE_OPCODE_SIZED;
  const isPart = isSized && isSmall(i);
  if (place <= PLACE_RM_OTHER) {
    if (isMemory) f.memoryAccess |= access;
    else addRmRegister(i, f, place, access, isPart);
    return;
  }
  switch (place) {
    case PLACE_REG:
    case PLACE_REG_SIZED:
      addRegister(f, reg, access, isPart);
      return;
    case PLACE_REG_BYTE:
      addRegister(f, byteRegister(i, reg), access, true);
      return;
    case PLACE_REG_VECTOR:
      addVector(f, reg, access);
      return;
    case PLACE_REG_OPMASK:
      addOpmask(f, reg & 7, access);
      return;
    case PLACE_REG_OPMASK_PAIR:
      f.opmasksWritten |= 3 << ((reg & 6) as u8);
      return;
    case PLACE_VVVV:
      addRegister(f, i.vvvv, access, false);
      return;
    case PLACE_VVVV_VECTOR:
      addVector(f, i.vvvv, access);
      return;
    case PLACE_VVVV_OPMASK:
      addOpmask(f, i.vvvv & 7, access);
      return;
    case PLACE_OPCODE:
    case PLACE_OPCODE_SIZED:
      addRegister(f, (i.opcode & 7) | ((rex & 1) << 3) | ((high & 1) << 4), access, isPart);
      return;
    case PLACE_OPCODE_BYTE:
      addRegister(f, byteRegister(i, (i.opcode & 7) | ((rex & 1) << 3) | ((high & 1) << 4)), access, true);
      return;
    case PLACE_MOFFS:
      f.memoryAccess |= access;
      return;
    case PLACE_RSI:
      f.rsiAccess |= access;
      addRegister(f, 6, ACCESS_READ | ACCESS_WRITE, false);
      return;
    case PLACE_RDI:
      f.rdiAccess |= access;
      addRegister(f, 7, ACCESS_READ | ACCESS_WRITE, false);
      return;
  }
}

/** rep counts in rcx, where there is a string to count. */
function addRepeat(i: Instruction, f: Facts): void {
  if ((f.rsiAccess | f.rdiAccess) == 0 || !(i.prefixes & (PREFIX_REP | PREFIX_REPNE))) return;
  addRegister(f, 1, ACCESS_READ | ACCESS_WRITE, false);
}

/** Bytes that a size code of the tables means for this instruction. */
function sizeOf(i: Instruction, code: u32, element: u32, isMemory: bool): u32 {
  if (isMemory && i.encoding == ENCODING_EVEX && i.evex & 0x10 && i.modrm < 0xc0) return element & 15;
  if (code == SIZE_512) return 512;
  if (code < SIZE_VARIABLE) return code;
  const w = (i.rex & 8) != 0;
  const o16 = (i.prefixes & PREFIX_OPERAND_SIZE) != 0;
  const vector: u32 = 16 << ((i.evex >> 5) & 3);
  // In the order of VARIABLE_SIZES in tools/gen-facts.ts.
  switch (code - SIZE_VARIABLE) {
    case 0:
      return w ? 8 : o16 ? 2 : 4;
    case 1:
      return !w && o16 ? 2 : 4;
    case 2:
      return w ? 8 : 4;
    case 3:
      return vector;
    case 4:
      return vector >> 1;
    case 5:
      return vector >> 2;
    case 6:
      return vector >> 3;
    case 7:
      return w ? 10 : o16 ? 4 : 6;
    default:
      return o16 && !w ? 2 : 8;
  }
}

/** N of disp8*N: SDM volume 2, 2.7.5. */
function disp8ScaleOf(f: Facts, element: u32): u8 {
  if (element & 15 && !(element & ELEMENT_BROADCAST)) return (element & 15) as u8;
  return f.memorySize == 0 ? 1 : (f.memorySize as u8);
}
