// Fills the record of an instruction (src/abi/instruction-record.ts), which the `match` of an expression or a hook looks at.
//
// A scan calls it for every instruction of every file: what nobody asked for (`needs`) is not computed, and fields that do
// not apply keep what they held, with a HAS_ bit that says so. Texts are not filled here: who knows them, fills them.

import {
  CLASS_ATOMIC,
  CLASS_CALL,
  CLASS_CONDITIONAL,
  CLASS_EVEX,
  CLASS_INDIRECT,
  CLASS_INTERRUPT,
  CLASS_JUMP,
  CLASS_LOAD,
  CLASS_LOCK,
  CLASS_NOP,
  CLASS_REP,
  CLASS_RETURN,
  CLASS_RIP_RELATIVE,
  CLASS_SIMD,
  CLASS_STACK,
  CLASS_STORE,
  CLASS_STRING,
  CLASS_SYSCALL,
  CLASS_VEX,
  CLASS_X87,
  HAS_FACTS,
  HAS_IMMEDIATE,
  HAS_MEMORY,
  HAS_MEMORY_ADDRESS,
  HAS_MEMORY_READ,
  HAS_MEMORY_WRITE,
  HAS_OFFSET,
  HAS_TARGET,
  NEEDS_FACTS,
  NEEDS_NAME,
  RECORD_BASE,
  RECORD_BYTES,
  RECORD_CLASSES,
  RECORD_DISPLACEMENT,
  RECORD_FILE_OFFSET,
  RECORD_FLAGS_READ,
  RECORD_FLAGS_WRITTEN,
  RECORD_FLOW,
  RECORD_GROUPS,
  RECORD_HAS,
  RECORD_IMMEDIATE,
  RECORD_INDEX,
  RECORD_INSTRUCTION_ADDRESS,
  RECORD_INSTRUCTION_SIZE,
  RECORD_MEMORY_ADDRESS,
  RECORD_MEMORY_SIZE,
  RECORD_MNEMONIC,
  RECORD_OPCODE,
  RECORD_OPMASKS_READ,
  RECORD_OPMASKS_WRITTEN,
  RECORD_REGISTERS_READ,
  RECORD_REGISTERS_WRITTEN,
  RECORD_SCALE,
  RECORD_SEGMENT,
  RECORD_TARGET,
  RECORD_VECTORS_READ,
  RECORD_VECTORS_WRITTEN,
  RECORD_WIDTH,
  VECTOR_INDEX,
} from "../../abi/instruction-record";
import { Address } from "../process";
import {
  ACCESS_READ,
  ACCESS_WRITE,
  FACTS_SIZE,
  Facts,
  KIND_HINT,
  KIND_LOCKS,
  KIND_SIMD,
  KIND_STRING,
  KIND_X87,
  REGISTER_NONE,
  describeForm,
  findForm,
  kindOf,
  mnemonicOf,
  widthOf,
} from "./facts";
import {
  ENCODING_EVEX,
  ENCODING_VEX,
  ENCODING_XOP,
  FLOW_CALL_INDIRECT,
  FLOW_CALL_RELATIVE,
  FLOW_INTERRUPT,
  FLOW_JUMP_CONDITIONAL,
  FLOW_JUMP_INDIRECT,
  FLOW_JUMP_RELATIVE,
  FLOW_LOOP,
  FLOW_NEXT,
  FLOW_RETURN,
  FLOW_SYSCALL,
  FLOW_XBEGIN,
  Instruction,
  MAP_0F,
  MAP_0F38,
  MAP_0F3A,
  MAP_3DNOW,
  PREFIX_ADDRESS_SIZE,
  PREFIX_LOCK,
  PREFIX_REP,
  PREFIX_REPNE,
} from "./instruction";

const facts = memory.data(64, 8);
const RSP: u32 = 4;

/** An offset in the file for code that is in none. */
export const NO_OFFSET: u64 = u64.MAX_VALUE;

/**
 * Fills a record.
 * @param needs NEEDS_ bits: which groups of fields to fill
 * @param pointer engine pointer to the instruction's bytes
 * @param instruction engine pointer to the decoded `Instruction`
 * @param offset in the file, or NO_OFFSET
 * @param record engine pointer to the record
 */
export function fillInstructionRecord(
  needs: u32,
  pointer: usize,
  instruction: usize,
  address: Address,
  offset: u64,
  record: usize,
): void {
  const i = changetype<Instruction>(instruction);
  store<u64>(record, address, RECORD_INSTRUCTION_ADDRESS);
  store<u64>(record, offset, RECORD_FILE_OFFSET);
  store<u32>(record, opcodeOf(i), RECORD_OPCODE);
  store<u32>(record, needs & (NEEDS_NAME | NEEDS_FACTS), RECORD_GROUPS);
  store<u8>(record, i.length, RECORD_INSTRUCTION_SIZE);
  store<u8>(record, i.flow, RECORD_FLOW);
  copyBytes(pointer, i.length, record + RECORD_BYTES);
  let has: u32 = offset == NO_OFFSET ? 0 : HAS_OFFSET;
  let classes = classesOf(i);
  if (i.immSize != 0) {
    const value = signedAt(pointer + i.immOffset, i.immSize);
    if (hasTarget(i)) {
      has |= HAS_TARGET;
      store<u64>(record, address + i.length + value, RECORD_TARGET);
    } else {
      has |= HAS_IMMEDIATE;
      store<u64>(record, value, RECORD_IMMEDIATE);
    }
  }
  if (needs & (NEEDS_NAME | NEEDS_FACTS)) {
    const form = findForm(instruction);
    const kind = form == 0 ? 0 : kindOf(form);
    if (needs & NEEDS_NAME) {
      classes |= addName(instruction, form, kind, record);
    }
    if (needs & NEEDS_FACTS) {
      describeForm(pointer, instruction, form, facts);
      const f = changetype<Facts>(facts);
      if (f.isKnown) {
        has |= HAS_FACTS | addMemory(i, f, pointer, address, record);
        classes |= accessClasses(f, kind, classes);
        storeFacts(f, record);
      } else clearFacts(record);
    }
  }
  store<u32>(record, classes, RECORD_CLASSES);
  store<u32>(record, has, RECORD_HAS);
}

/** memory.copy is a call; this is two moves. Reads no byte behind the instruction. */
function copyBytes(pointer: usize, length: u32, to: usize): void {
  if (length >= 8) {
    const last = length - 8;
    store<u64>(to, load<u64>(pointer));
    store<u64>(to + last, load<u64>(pointer + last));
  } else if (length >= 4) {
    const last = length - 4;
    store<u32>(to, load<u32>(pointer));
    store<u32>(to + last, load<u32>(pointer + last));
  } else {
    for (let n: u32 = 0; n < length; n++) store<u8>(to + n, load<u8>(pointer + n));
  }
}

function signedAt(pointer: usize, size: u32): i64 {
  switch (size) {
    case 1:
      return load<i8>(pointer);
    case 2:
      return load<i16>(pointer);
    case 4:
      return load<i32>(pointer);
    default:
      return load<i64>(pointer);
  }
}

/** The opcode behind the bytes that lead to its map, as the SDM writes it; of VEX and EVEX those that they stand for. */
function opcodeOf(i: Instruction): u32 {
  const opcode: u32 = i.opcode;
  switch (i.map) {
    case MAP_0F:
      return 0x0f00 | opcode;
    case MAP_0F38:
      return 0x0f3800 | opcode;
    case MAP_0F3A:
      return 0x0f3a00 | opcode;
    case MAP_3DNOW:
      return 0x0f0f00 | opcode;
    default:
      return opcode;
  }
}

function hasTarget(i: Instruction): bool {
  const flow: u32 = i.flow;
  return (
    flow == FLOW_JUMP_RELATIVE ||
    flow == FLOW_JUMP_CONDITIONAL ||
    flow == FLOW_CALL_RELATIVE ||
    flow == FLOW_LOOP ||
    flow == FLOW_XBEGIN
  );
}

/** FLOW_ -> CLASS_ bits. */
function flowClasses(flow: u32): u32 {
  switch (flow) {
    case FLOW_JUMP_RELATIVE:
      return CLASS_JUMP;
    case FLOW_JUMP_CONDITIONAL:
    case FLOW_LOOP:
      return CLASS_JUMP | CLASS_CONDITIONAL;
    case FLOW_CALL_RELATIVE:
      return CLASS_CALL;
    case FLOW_JUMP_INDIRECT:
      return CLASS_JUMP | CLASS_INDIRECT;
    case FLOW_CALL_INDIRECT:
      return CLASS_CALL | CLASS_INDIRECT;
    case FLOW_RETURN:
      return CLASS_RETURN;
    case FLOW_SYSCALL:
      return CLASS_SYSCALL;
    case FLOW_INTERRUPT:
      return CLASS_INTERRUPT;
    default:
      return 0;
  }
}

/** Classes that prefixes and flow alone decide. */
function classesOf(i: Instruction): u32 {
  let classes: u32 = i.flow == FLOW_NEXT ? 0 : flowClasses(i.flow);
  if (i.prefixes & PREFIX_LOCK) classes |= CLASS_LOCK;
  if (i.encoding == ENCODING_VEX || i.encoding == ENCODING_XOP) classes |= CLASS_VEX;
  if (i.encoding == ENCODING_EVEX) classes |= CLASS_EVEX;
  if (i.ripRelative) classes |= CLASS_RIP_RELATIVE;
  return classes;
}

/** Stores mnemonic and width. Gives the classes that a row of the tables decides. */
function addName(instruction: usize, form: usize, kind: u32, record: usize): u32 {
  store<u16>(record, mnemonicOf(instruction, form), RECORD_MNEMONIC);
  store<u16>(record, form == 0 ? 0 : widthOf(instruction, form), RECORD_WIDTH);
  let classes: u32 = 0;
  if (kind & KIND_STRING) {
    classes |= CLASS_STRING;
    if (changetype<Instruction>(instruction).prefixes & (PREFIX_REP | PREFIX_REPNE)) classes |= CLASS_REP;
  }
  if (kind & KIND_SIMD) classes |= CLASS_SIMD;
  if (kind & KIND_X87) classes |= CLASS_X87;
  if (kind & KIND_HINT || isPlainNop(changetype<Instruction>(instruction))) classes |= CLASS_NOP;
  return classes;
}

/** 90 without REX.B, which would make it an exchange; F3 90 is pause. */
function isPlainNop(i: Instruction): bool {
  return i.opcode == 0x90 && i.map == 0 && (i.mandatoryPrefix == 2 || !(i.rex & 1 || i.rexHigh & 1));
}

/** load, store, stack and atomic. */
function accessClasses(f: Facts, kind: u32, classes: u32): u32 {
  const access: u32 = f.memoryAccess | f.rsiAccess | f.rdiAccess | f.stackAccess | f.otherAccess;
  let found: u32 = 0;
  if (access & ACCESS_READ) found |= CLASS_LOAD;
  if (access & ACCESS_WRITE) found |= CLASS_STORE;
  if (f.stackAccess != 0 || (f.memoryAccess != 0 && f.base == RSP)) found |= CLASS_STACK;
  if (classes & CLASS_LOCK || (kind & KIND_LOCKS && f.memoryAccess != 0)) found |= CLASS_ATOMIC;
  return found;
}

/** Stores where the operand in memory is. Gives HAS_ bits. */
function addMemory(i: Instruction, f: Facts, pointer: usize, address: Address, record: usize): u32 {
  // An address of fixed size without ModRM is moffs.
  if (i.dispSize == 0 && (i.modrmOffset == 0 || i.modrm >= 0xc0)) return 0;
  if (i.dispSize == 0 && f.base == REGISTER_NONE && f.index == REGISTER_NONE) return 0;
  let has: u32 = HAS_MEMORY;
  if (f.memoryAccess & ACCESS_READ) has |= HAS_MEMORY_READ;
  if (f.memoryAccess & ACCESS_WRITE) has |= HAS_MEMORY_WRITE;
  let displacement: i64 = i.dispSize == 0 ? 0 : signedAt(pointer + i.dispOffset, i.dispSize);
  if (i.dispSize == 1) displacement *= f.disp8Scale;
  store<i64>(record, displacement, RECORD_DISPLACEMENT);
  const isAbsolute = f.base == REGISTER_NONE && f.index == REGISTER_NONE;
  if (f.segment == 0 && (i.ripRelative || isAbsolute)) {
    has |= HAS_MEMORY_ADDRESS;
    let at: u64 = displacement;
    if (i.ripRelative) at += address + i.length;
    if (i.prefixes & PREFIX_ADDRESS_SIZE) at &= 0xffffffff;
    store<u64>(record, at, RECORD_MEMORY_ADDRESS);
  }
  return has;
}

function storeFacts(f: Facts, record: usize): void {
  store<u32>(record, f.registersRead, RECORD_REGISTERS_READ);
  store<u32>(record, f.registersWritten, RECORD_REGISTERS_WRITTEN);
  store<u32>(record, f.vectorsRead, RECORD_VECTORS_READ);
  store<u32>(record, f.vectorsWritten, RECORD_VECTORS_WRITTEN);
  store<u16>(record, f.memorySize, RECORD_MEMORY_SIZE);
  store<u8>(record, f.base, RECORD_BASE);
  store<u8>(record, f.isVectorIndex ? f.index + VECTOR_INDEX : f.index, RECORD_INDEX);
  store<u8>(record, f.scale, RECORD_SCALE);
  store<u8>(record, f.segment, RECORD_SEGMENT);
  store<u8>(record, f.flagsRead, RECORD_FLAGS_READ);
  store<u8>(record, f.flagsWritten, RECORD_FLAGS_WRITTEN);
  store<u8>(record, f.opmasksRead, RECORD_OPMASKS_READ);
  store<u8>(record, f.opmasksWritten, RECORD_OPMASKS_WRITTEN);
}

/** Nothing is known: no register, no flag, no memory. */
function clearFacts(record: usize): void {
  memory.fill(facts, 0, FACTS_SIZE);
  const f = changetype<Facts>(facts);
  f.base = REGISTER_NONE;
  f.index = REGISTER_NONE;
  storeFacts(f, record);
}
