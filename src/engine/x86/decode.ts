// The decoder: one instruction of 64-bit mode to its length, positions and flow.
//
// What there is to know is in opcodes.txt; tools/gen-opcodes.ts makes the tables below from it and explains how a row
// becomes a form. The decoder reads prefixes, finds the opcode map, and lets the forms of that opcode decide.
//
// A decoder inside a rewriter judges bytes that may be data, so "valid" has to mean something. Valid here means: some
// processor whose maker documents it (Intel SDM and extensions, AMD APM, VIA PadLock) executes these bytes in 64-bit mode
// without #UD from the encoding alone, whatever its CPUID says. In particular:
//   - LOCK without a lockable instruction with a memory destination is invalid (#UD everywhere), and so are reserved
//     VEX.vvvv, EVEX.z without an opmask, equal registers of a gather, and the like. A wrong "valid" makes data look like
//     code; a wrong "invalid" hides code, so where manuals differ or leave it open the bytes are valid.
//   - 66 with a near branch: Intel ignores it (rel32), AMD reads rel16. Intel's reading is taken; compilers and linkers pad
//     `call __tls_get_addr` with 66 and REX.W together, which both read alike.
//   - A register that needs APX (REX2, EVEX with B4, X4, R' on general registers) is valid.
//   - Opcodes that exist only in one maker's past (cyrix, Transmeta, MPX's removed checks) follow the current manuals.
//
// Reads no byte at or past `pointer + available`, and no more than 15.

import {
  ENCODING_EVEX,
  ENCODING_LEGACY,
  ENCODING_REX2,
  ENCODING_VEX,
  ENCODING_XOP,
  INSTRUCTION_MAX,
  Instruction,
  MAP_3DNOW,
  MAP_0F,
  MAP_0F38,
  MAP_0F3A,
  MAP_ONE_BYTE,
  PREFIX_ADDRESS_SIZE,
  PREFIX_LOCK,
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
  ATTRIBUTE_ANY_MOD,
  ATTRIBUTE_APX,
  ATTRIBUTE_APX_ND_REQUIRED,
  ATTRIBUTE_APX_NF,
  ATTRIBUTE_APX_SCC,
  ATTRIBUTE_APX_VEX,
  ATTRIBUTE_BROADCAST,
  ATTRIBUTE_DISTINCT_DESTINATION,
  ATTRIBUTE_DISTINCT_GATHER,
  ATTRIBUTE_DISTINCT_TILES,
  ATTRIBUTE_LAST,
  ATTRIBUTE_LOCK,
  ATTRIBUTE_MASK,
  ATTRIBUTE_MASK_REQUIRED,
  ATTRIBUTE_REG_LOW,
  ATTRIBUTE_RM_GENERAL,
  ATTRIBUTE_RM_LOW,
  ATTRIBUTE_ROUNDING,
  ATTRIBUTE_VSIB,
  ATTRIBUTE_VVVV,
  ATTRIBUTE_VVVV_LOW,
  ATTRIBUTE_ZEROING,
  FORMS,
  IMMEDIATE_MOFFS,
  IMMEDIATE_SIZE,
  INDEX_FORM,
  INDEX_MODRM,
  INDEX_UNIFORM,
  MODRM_SHAPE,
  OPCODE_INDEX,
  PAGE_OF_MAP,
  PREFIX_OF_BYTE,
} from "./opcode-tables";

const REX_W: u32 = 8;
const REX_R: u32 = 4;
const REX_X: u32 = 2;
const REX_B: u32 = 1;
const REX_PRESENT: u32 = 0x40;

const MOD_REGISTER: u32 = 3;

/** Bits of `Instruction.evex`. */
const EVEX_Z: u32 = 0x80;
const EVEX_LENGTH_SHIFT: u32 = 5;
const EVEX_B: u32 = 0x10;
const EVEX_MASK: u32 = 7;
/** APX's meaning of b and aaa: ND, and NF 0 0. */
const APX_ND: u32 = EVEX_B;
const APX_NF: u32 = 4;
const APX_ZERO: u32 = 3;
/** L'L = 512 bits: what b means with register operands, whatever L'L says (SDM volume 2, section 2.7.10). */
const LENGTH_512: u32 = 2;

/** Prefixes that may not stand before VEX, EVEX or XOP (SDM volume 2, 2.3.2 to 2.3.4). */
const FORBIDDEN_BEFORE_VEX: u32 = PREFIX_OPERAND_SIZE | PREFIX_LOCK | PREFIX_REPNE | PREFIX_REP;

const enum OperandSize {
  Bits32,
  Bits16,
  Bits64,
}

/**
 * Decodes the instruction at engine pointer `pointer`, of which `available` bytes may be read, into `instruction`, an engine
 * pointer to an `Instruction`.
 * @returns its length, or 0 when the bytes are no valid instruction or are cut off; `instruction` then holds rubbish
 */
export function decode(pointer: usize, available: u32, instruction: usize): u32 {
  const end = pointer + min<usize>(available, INSTRUCTION_MAX);
  const i = changetype<Instruction>(instruction);
  let at = pointer;
  let prefixes: u32 = 0;
  let mandatory: u32 = 0;
  let rex: u32 = 0;
  let byte: u32 = 0;
  while (true) {
    if (at >= end) return 0;
    byte = load<u8>(at);
    const prefix: u32 = load<u16>(PREFIX_OF_BYTE + (byte << 1));
    if (prefix == 0) break;
    at++;
    if (prefix & 0x8000) {
      rex = byte;
      continue;
    }
    // REX counts only right before the opcode (SDM volume 2, 2.2.1); of F2 and F3 the last one counts.
    rex = 0;
    prefixes |= prefix;
    if (prefix & (PREFIX_REP | PREFIX_REPNE)) mandatory = prefix & PREFIX_REP ? 2 : 3;
  }
  if (mandatory == 0 && prefixes & PREFIX_OPERAND_SIZE) mandatory = 1;
  i.prefixes = prefixes as u16;
  i.rex = rex as u8;
  i.vvvv = 0;
  i.rexHigh = 0;
  i.evex = 0;
  i.mandatoryPrefix = mandatory as u8;

  let map: u32 = MAP_ONE_BYTE;
  let rex2: u32 = 0;
  if (byte == 0x0f) {
    if (++at >= end) return 0;
    byte = load<u8>(at);
    map = MAP_0F;
    if (byte == 0x38 || byte == 0x3a) {
      if (++at >= end) return 0;
      map = byte == 0x38 ? MAP_0F38 : MAP_0F3A;
    } else if (byte == 0x0f) {
      return decode3dnow(pointer, at, end, i);
    }
  } else if (byte == 0xc4 || byte == 0xc5 || byte == 0x62) {
    if (rex != 0 || prefixes & FORBIDDEN_BEFORE_VEX) return 0;
    return byte == 0x62 ? decodeEvex(pointer, at, end, i) : decodeVex(pointer, at, end, i, byte);
  } else if (byte == 0x8f) {
    // XOP when the map, which stands where pop's ModRM would be, is 8 or more: then ModRM.reg is not 0 (APM volume 3, 1.2.5).
    if (at + 1 >= end) return 0;
    if ((load<u8>(at, 1) & 31) >= 8) {
      if (rex != 0 || prefixes & FORBIDDEN_BEFORE_VEX) return 0;
      return decodeVex(pointer, at, end, i, byte);
    }
  } else if (byte == 0xd5) {
    if (rex != 0 || at + 2 >= end) return 0;
    const payload: u32 = load<u8>(at, 1);
    at += 2;
    rex = REX_PRESENT | (payload & 15);
    i.rex = rex as u8;
    i.rexHigh = ((payload >> 4) & 7) as u8;
    map = payload >> 7;
    rex2 = 1;
  }
  i.encoding = rex2 ? ENCODING_REX2 : ENCODING_LEGACY;
  const size: u32 =
    rex & REX_W ? OperandSize.Bits64 : prefixes & PREFIX_OPERAND_SIZE ? OperandSize.Bits16 : OperandSize.Bits32;
  const state: u32 =
    (1 << mandatory) |
    (1 << (ACCEPT_W_SHIFT + ((rex >> 3) & 1))) |
    (1 << (ACCEPT_LENGTH_SHIFT + u32((prefixes & PREFIX_OPERAND_SIZE) != 0))) |
    (1 << (ACCEPT_REX2_SHIFT + rex2));
  return decodeForm(pointer, at, end, i, map, map, state, size);
}

/** VEX in two bytes (c5) or three (c4), and XOP (8f), which is built alike. */
function decodeVex(pointer: usize, at: usize, end: usize, i: Instruction, escape: u32): u32 {
  // A valid instruction has three bytes at least, and the opcode of the longer form is the fourth.
  if (at + (escape == 0xc5 ? 2 : 3) >= end) return 0;
  let rex: u32 = REX_PRESENT;
  let map: u32 = MAP_0F;
  let last: u32 = load<u8>(at, 1);
  // R is in the same place in both, and inverted, like X and B.
  rex |= (last >> 5) & REX_R;
  if (escape == 0xc5) {
    at += 2;
    rex ^= REX_R;
  } else {
    map = last & 31;
    rex = REX_PRESENT | ((last >> 5) ^ 7);
    last = load<u8>(at, 2);
    rex |= (last >> 4) & REX_W;
    at += 3;
  }
  const encoding = escape == 0x8f ? ENCODING_XOP : ENCODING_VEX;
  const pp = last & 3;
  const length = (last >> 2) & 1;
  i.encoding = encoding;
  i.rex = rex as u8;
  i.vvvv = (((last >> 3) & 15) ^ 15) as u8;
  i.evex = (length << EVEX_LENGTH_SHIFT) as u8;
  i.mandatoryPrefix = pp as u8;
  if (map > 15) return 0;
  const page: u32 = load<u8>(PAGE_OF_MAP + (((encoding as u32) << 4) | map));
  if (page == 0xff) return 0;
  const state: u32 =
    (1 << pp) |
    (1 << (ACCEPT_W_SHIFT + ((rex >> 3) & 1))) |
    (1 << (ACCEPT_LENGTH_SHIFT + length)) |
    (1 << ACCEPT_REX2_SHIFT);
  return decodeForm(pointer, at, end, i, map, page, state, OperandSize.Bits32);
}

//   62   R X B R' B4 m m m   W v v v v X4 p p   z L' L b V' a a a
//        inverted: R X B R' vvvv X4 V'; B4 is not. Without APX, B4 is 0 and X4 is 1.
function decodeEvex(pointer: usize, at: usize, end: usize, i: Instruction): u32 {
  if (at + 5 >= end) return 0;
  const p0: u32 = load<u8>(at, 1);
  const p1: u32 = load<u8>(at, 2);
  const p2: u32 = load<u8>(at, 3);
  const map = p0 & 7;
  const page: u32 = load<u8>(PAGE_OF_MAP + (((ENCODING_EVEX as u32) << 4) | map));
  if (page == 0xff) return 0;
  const pp = p1 & 3;
  const w = p1 >> 7;
  i.encoding = ENCODING_EVEX;
  i.rex = (REX_PRESENT | (w << 3) | ((p0 >> 5) ^ 7)) as u8;
  i.rexHigh = (((((p0 >> 4) & 1) ^ 1) << 2) | ((((p1 >> 2) & 1) ^ 1) << 1) | ((p0 >> 3) & 1)) as u8;
  i.vvvv = ((((p1 >> 3) & 15) ^ 15) | ((((p2 >> 3) & 1) ^ 1) << 4)) as u8;
  i.evex = p2 as u8;
  i.mandatoryPrefix = pp as u8;
  const state: u32 =
    (1 << pp) |
    (1 << (ACCEPT_W_SHIFT + w)) |
    (1 << (ACCEPT_LENGTH_SHIFT + ((p2 >> EVEX_LENGTH_SHIFT) & 3))) |
    (1 << ACCEPT_REX2_SHIFT);
  const size: u32 = w ? OperandSize.Bits64 : pp == 1 ? OperandSize.Bits16 : OperandSize.Bits32;
  return decodeForm(pointer, at + 4, end, i, map, page, state, size);
}

/** 0f 0f /r opcode: the opcode comes last (APM volume 3, appendix A.1.2). */
function decode3dnow(pointer: usize, at: usize, end: usize, i: Instruction): u32 {
  if (i.prefixes & PREFIX_LOCK) return 0;
  at = readOperand(pointer, at + 1, end, i);
  if (at == 0 || at >= end) return 0;
  const opcode: u32 = load<u8>(at);
  const page: u32 = load<u8>(PAGE_OF_MAP + (MAP_3DNOW as u32));
  if (load<u16>(OPCODE_INDEX + ((page * 256 + opcode) << 1)) == 0) return 0;
  i.encoding = ENCODING_LEGACY;
  i.map = MAP_3DNOW;
  i.opcode = opcode as u8;
  i.opcodeOffset = (at - pointer) as u8;
  i.flow = 0;
  i.immOffset = 0;
  i.immSize = 0;
  i.imm2Size = 0;
  return finish(pointer, at + 1, end, i);
}

/** From the opcode's last byte, at `at`, to the end. `state` says prefix, W, length and REX2 in the bits of a form. */
function decodeForm(
  pointer: usize,
  at: usize,
  end: usize,
  i: Instruction,
  map: u32,
  page: u32,
  state: u32,
  size: u32,
): u32 {
  const opcode: u32 = load<u8>(at);
  const index: u32 = load<u16>(OPCODE_INDEX + ((page * 256 + opcode) << 1));
  let form: usize = FORMS + ((index & INDEX_FORM) << 3);
  let modrm: u32 = 0;
  i.map = map as u8;
  i.opcode = opcode as u8;
  i.opcodeOffset = (at - pointer) as u8;
  at++;
  if (index & INDEX_MODRM) {
    if (at >= end) return 0;
    modrm = load<u8>(at);
  }
  if (!(index & INDEX_UNIFORM) || i.encoding != ENCODING_LEGACY) {
    const evex: u32 = i.evex;
    if (i.encoding == ENCODING_EVEX && evex & EVEX_B && modrm >= 0xc0 && page != apxPage()) {
      state &= ~(15 << ACCEPT_LENGTH_SHIFT);
      state |= 1 << (ACCEPT_LENGTH_SHIFT + LENGTH_512);
    }
    state |=
      (1 << (ACCEPT_MOD_SHIFT + u32(modrm >= 0xc0))) |
      (1 << (ACCEPT_REG_SHIFT + ((modrm >> 3) & 7))) |
      (1 << (ACCEPT_RM_SHIFT + (modrm & 7)));
    while ((load<u32>(form) & state) != state) {
      if (load<u32>(form, 4) & ATTRIBUTE_LAST) return 0;
      form += 8;
    }
  }
  const attributes = load<u32>(form, 4);
  if (i.prefixes & PREFIX_LOCK && (!(attributes & ATTRIBUTE_LOCK) || modrm >= 0xc0)) return 0;
  if (index & INDEX_MODRM) {
    if (attributes & ATTRIBUTE_ANY_MOD) {
      if (attributes & ATTRIBUTE_REG_LOW && i.rex & REX_R) return 0;
      i.modrm = modrm as u8;
      i.modrmOffset = (at - pointer) as u8;
      noMemoryOperand(i);
      at++;
    } else {
      at = readOperand(pointer, at, end, i);
      if (at == 0) return 0;
    }
  } else {
    i.modrm = 0;
    i.modrmOffset = 0;
    noMemoryOperand(i);
  }
  if (i.encoding != ENCODING_LEGACY && !isLegal(i, attributes)) return 0;
  i.flow = ((attributes >> 4) & 15) as u8;

  const immediate = attributes & 15;
  if (immediate == IMMEDIATE_MOFFS) {
    i.dispOffset = (at - pointer) as u8;
    i.dispSize = i.prefixes & PREFIX_ADDRESS_SIZE ? 4 : 8;
    at += i.dispSize;
  }
  const sizes = load<u32>(IMMEDIATE_SIZE + (immediate << 2));
  const immSize = (sizes >> (size << 3)) & 15;
  const imm2Size = sizes >> 24;
  i.immOffset = immSize ? ((at - pointer) as u8) : 0;
  i.immSize = immSize as u8;
  i.imm2Size = imm2Size as u8;
  return finish(pointer, at + immSize + imm2Size, end, i);
}

function finish(pointer: usize, at: usize, end: usize, i: Instruction): u32 {
  if (at > end) return 0;
  i.length = (at - pointer) as u8;
  return (at - pointer) as u32;
}

function noMemoryOperand(i: Instruction): void {
  i.sib = 0;
  i.hasSib = 0;
  i.dispOffset = 0;
  i.dispSize = 0;
  i.ripRelative = 0;
}

/** ModRM at `at`, SIB, displacement. Gives the position after them, or 0 when a byte is cut off that has to be looked at. */
function readOperand(pointer: usize, at: usize, end: usize, i: Instruction): usize {
  if (at >= end) return 0;
  const modrm: u32 = load<u8>(at);
  const shape: u32 = load<u8>(MODRM_SHAPE + modrm);
  i.modrm = modrm as u8;
  i.modrmOffset = (at - pointer) as u8;
  at++;
  let dispSize = shape & 7;
  let sib: u32 = 0;
  if (shape & 8) {
    if (at >= end) return 0;
    sib = load<u8>(at);
    at++;
    // mod = 00 and base = 101: disp32 without base (SDM table 2-3).
    if (modrm < 0x40 && (sib & 7) == 5) dispSize = 4;
  }
  i.sib = sib as u8;
  i.hasSib = ((shape >> 3) & 1) as u8;
  i.ripRelative = (shape >> 4) as u8;
  i.dispOffset = dispSize ? ((at - pointer) as u8) : 0;
  i.dispSize = dispSize as u8;
  return at + dispSize;
}

/** EVEX map 4: there b is APX's ND, and L'L stays what it is. */
function apxPage(): u32 {
  return load<u8>(PAGE_OF_MAP + (((ENCODING_EVEX as u32) << 4) | 4));
}

/** EVEX as a legacy instruction has it: no z, and only such ND, ZU, NF and vvvv as the instruction knows. */
function isLegalApx(evex: u32, vvvv: u32, attributes: u32): bool {
  if (attributes & ATTRIBUTE_APX_SCC) return (evex & (EVEX_Z | APX_ND)) == 0;
  if (evex & (EVEX_Z | APX_ZERO)) return false;
  if (evex & APX_NF && !(attributes & ATTRIBUTE_APX_NF)) return false;
  if (evex & APX_ND) return (attributes & ATTRIBUTE_VVVV) != 0 || ((attributes & ATTRIBUTE_ROUNDING) != 0 && vvvv == 0);
  return vvvv == 0 && !(attributes & ATTRIBUTE_APX_ND_REQUIRED);
}

/** What VEX, EVEX and XOP raise #UD for besides an opcode that does not exist. */
function isLegal(i: Instruction, attributes: u32): bool {
  if (i.encoding == ENCODING_REX2) return true;
  const modrm: u32 = i.modrm;
  const rex: u32 = i.rex;
  const high: u32 = i.rexHigh;
  const vvvv: u32 = i.vvvv;
  const isRegister = modrm >> 6 == MOD_REGISTER;
  const reg = ((modrm >> 3) & 7) | ((rex & REX_R) << 1) | ((high & 4) << 2);

  if (attributes & ATTRIBUTE_REG_LOW && reg > 7) return false;
  if (attributes & ATTRIBUTE_VVVV_LOW && vvvv > 7) return false;
  if (attributes & ATTRIBUTE_RM_LOW && rex & REX_B) return false;

  if (i.encoding == ENCODING_EVEX) {
    const evex: u32 = i.evex;
    if (attributes & ATTRIBUTE_APX) return isLegalApx(evex, vvvv, attributes);
    // X4 extends an index, B4 a base or a general register.
    if (isRegister && high & 3 && !(attributes & ATTRIBUTE_RM_GENERAL && !(high & 2))) return false;
    if (attributes & ATTRIBUTE_APX_VEX && evex & APX_NF && !(attributes & ATTRIBUTE_APX_NF)) return false;
    const mask = attributes & ATTRIBUTE_APX_VEX ? evex & APX_ZERO : evex & EVEX_MASK;
    if (mask != 0 ? !(attributes & ATTRIBUTE_MASK) : attributes & ATTRIBUTE_MASK_REQUIRED) return false;
    if (evex & EVEX_Z && (mask == 0 || !(attributes & ATTRIBUTE_ZEROING))) return false;
    if (evex & EVEX_B && !(attributes & (isRegister ? ATTRIBUTE_ROUNDING : ATTRIBUTE_BROADCAST))) return false;
  }
  if (!(attributes & ATTRIBUTE_VVVV) && (attributes & ATTRIBUTE_VSIB ? vvvv & 15 : vvvv) != 0) return false;

  if (attributes & ATTRIBUTE_DISTINCT_GATHER) {
    const vectorIndex = ((i.sib >> 3) & 7) | ((rex & REX_X) << 2);
    if (i.encoding == ENCODING_EVEX) return reg != (vectorIndex | (vvvv & 16));
    return reg != vectorIndex && reg != vvvv && vectorIndex != vvvv;
  }
  if (attributes & ATTRIBUTE_DISTINCT_TILES) {
    const rm = modrm & 7;
    return reg != rm && reg != vvvv && rm != vvvv;
  }
  if (attributes & ATTRIBUTE_DISTINCT_DESTINATION) {
    const rm = (modrm & 7) | ((rex & REX_B) << 3) | ((rex & REX_X) << 3);
    return reg != vvvv && !(isRegister && reg == rm);
  }
  return true;
}
