// What an instruction reads and writes, from facts.ts and from iced-x86, in the same shape, so that they can be compared.

import {
  type Instruction,
  InstructionInfoFactory,
  MemorySizeExt,
  OpAccess,
  Register,
  RegisterExt,
  RflagsBits,
  type UsedMemory,
  type UsedRegister,
} from "iced-x86";
import type { DecoderModule, Fields } from "./decoder-module.js";

/** Sets of registers as numbers with one bit each, flags in the order of facts.ts. */
export interface Facts {
  registersRead: number;
  registersWritten: number;
  vectorsRead: number;
  vectorsWritten: number;
  opmasksRead: number;
  opmasksWritten: number;
  flagsRead: number;
  flagsWritten: number;
  /** All memory together: 1 read, 2 written. */
  memory: number;
  memorySize: number;
  address: string;
}
export type FactName = keyof Facts;
export const FACT_NAMES: readonly FactName[] = [
  "registersRead",
  "registersWritten",
  "vectorsRead",
  "vectorsWritten",
  "opmasksRead",
  "opmasksWritten",
  "flagsRead",
  "flagsWritten",
  "memory",
  "memorySize",
  "address",
];

const factory = new InstructionInfoFactory();

/** With 67, addresses have 32 bits (SDM volume 1, 3.3.7). */
const PREFIX_ADDRESS_SIZE = 2;
const addressWidth = (fields: Fields): 32 | 64 => (fields.prefixes & PREFIX_ADDRESS_SIZE ? 32 : 64);

function addressText(base: string, index: string, scale: number, displacement: bigint, segment: string): string {
  return `${segment}${base}+${index}*${scale}+${displacement}`;
}

/**
 * Facts of the instruction number `index` of `decoder`, which was decoded from the engine pointer `pointer`; null when
 * facts.ts does not know it. `hasOperand`: an operand in memory is accessed.
 */
export function ourFacts(
  decoder: DecoderModule,
  pointer: number,
  index: number,
  fields: Fields,
): (Facts & { hasOperand: boolean }) | null {
  decoder.exports.describeAt(pointer, decoder.instructions + index * decoder.instructionSize);
  const { view, facts: at } = decoder;
  const byte = (offset: number): number => view.getUint8(at + offset);
  const word = (offset: number): number => view.getUint32(at + offset, true);
  if (byte(35) === 0) return null;
  const dispAt = pointer + fields.dispOffset;
  let displacement = 0n;
  if (fields.dispSize === 1) displacement = BigInt(view.getInt8(dispAt) * byte(34));
  if (fields.dispSize === 8) displacement = view.getBigUint64(dispAt, true);
  if (fields.dispSize === 4) displacement = BigInt(view.getInt32(dispAt, true));
  // iced adds the instruction pointer to the displacement; where it stands is compared as a field.
  if (fields.ripRelative) displacement = 0n;
  const name = (number: number): string => (number === 0xff ? "none" : number === 0xfe ? "rip" : `r${number}`);
  return {
    hasOperand: byte(24) !== 0,
    registersRead: word(0),
    registersWritten: word(4),
    vectorsRead: word(12),
    vectorsWritten: word(16),
    opmasksRead: byte(20),
    opmasksWritten: byte(21),
    flagsRead: byte(22),
    flagsWritten: byte(23),
    memory: byte(24) | byte(25) | byte(26) | byte(27) | byte(28),
    memorySize: view.getUint16(at + 36, true),
    address: addressText(
      name(byte(29)),
      name(byte(30)),
      byte(31),
      BigInt.asUintN(addressWidth(fields), displacement),
      ["", "fs:", "gs:"][byte(33)]!,
    ),
  };
}

/** Read 1, written 2: what may happen counts. */
function accessBits(access: OpAccess): number {
  switch (access) {
    case OpAccess.Read:
    case OpAccess.CondRead:
      return 1;
    case OpAccess.Write:
    case OpAccess.CondWrite:
      return 2;
    case OpAccess.ReadWrite:
    case OpAccess.ReadCondWrite:
      return 3;
    case OpAccess.None:
    case OpAccess.NoMemAccess:
      return 0;
  }
}

/** In the order o s z a p c d. */
const ICED_FLAGS: readonly number[] = [
  RflagsBits.OF,
  RflagsBits.SF,
  RflagsBits.ZF,
  RflagsBits.AF,
  RflagsBits.PF,
  RflagsBits.CF,
  RflagsBits.DF,
];
const flagBits = (rflags: number): number => ICED_FLAGS.reduce((set, flag, i) => set | (rflags & flag ? 1 << i : 0), 0);

interface RegisterBit {
  readonly kind: "general" | "vector" | "opmask" | null;
  readonly bit: number;
}
const registerBits = new Map<Register, RegisterBit>();
/** iced's functions about registers are calls into wasm: each register is asked about once. */
function registerBit(register: Register): RegisterBit {
  let known = registerBits.get(register);
  if (known === undefined) {
    known = {
      kind: RegisterExt.isGPR(register)
        ? "general"
        : RegisterExt.isVectorRegister(register)
          ? "vector"
          : RegisterExt.isK(register)
            ? "opmask"
            : null,
      bit: 1 << RegisterExt.number(RegisterExt.fullRegister(register)),
    };
    registerBits.set(register, known);
  }
  return known;
}

function icedAddress(instruction: Instruction, width: 32 | 64): string {
  const name = (register: Register): string => {
    if (register === Register.None) return "none";
    return register === Register.RIP || register === Register.EIP ? "rip" : `r${RegisterExt.number(register)}`;
  };
  const { memoryBase, memoryIndex, memoryIndexScale, memorySegment } = instruction;
  const isRip = memoryBase === Register.RIP || memoryBase === Register.EIP;
  const segment = memorySegment === Register.FS ? "fs:" : memorySegment === Register.GS ? "gs:" : "";
  const displacement = isRip ? 0n : BigInt.asUintN(width, instruction.memoryDisplacement);
  return addressText(name(memoryBase), name(memoryIndex), memoryIndexScale, displacement, segment);
}

export function icedFacts(instruction: Instruction, fields: Fields): Facts {
  const info = factory.info(instruction);
  const read = { general: 0, vector: 0, opmask: 0 };
  const written = { general: 0, vector: 0, opmask: 0 };
  for (const used of info.usedRegisters() as UsedRegister[]) {
    const access = accessBits(used.access);
    const { kind, bit } = registerBit(used.register);
    if (kind !== null && access & 1) read[kind] |= bit;
    if (kind !== null && access & 2) written[kind] |= bit;
    used.free();
  }
  let access = 0;
  for (const used of info.usedMemory() as UsedMemory[]) {
    access |= accessBits(used.access);
    used.free();
  }
  info.free();
  return {
    registersRead: read.general >>> 0,
    registersWritten: written.general >>> 0,
    vectorsRead: read.vector >>> 0,
    vectorsWritten: written.vector >>> 0,
    opmasksRead: read.opmask,
    opmasksWritten: written.opmask,
    flagsRead: flagBits(instruction.rflagsRead),
    flagsWritten: flagBits(instruction.rflagsModified),
    memory: access,
    memorySize: MemorySizeExt.size(instruction.memorySize),
    address: icedAddress(instruction, addressWidth(fields)),
  };
}
