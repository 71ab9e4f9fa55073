// Where the decoder and its oracles differ, by name, each with what the manuals say. This is the whole list: the tests
// allow nothing else, docs/decoder.md refers to it, and test/x86/differences.test.ts compares the names.
//
// A difference has a predicate as narrow as its reason: what it does not describe is a failure.

import { type Instruction, Mnemonic } from "iced-x86";
import type { Fields } from "./decoder-module.js";
import type { FactName, Facts } from "./iced-facts.js";

interface Difference {
  readonly name: string;
  /** Who is right, and by which manual. */
  readonly manual: string;
}
/** Fields of `Verdict` (iced-oracle.ts); "valid": only our decoder says so; "invalid": only our decoder says that. */
export type Aspect = "length" | "disp" | "imm" | "imm2Size" | "ripRelative" | "flow" | "valid" | "invalid";
export interface FieldDifference extends Difference {
  readonly aspects: readonly Aspect[];
  /** `bytes` begin with the instruction and may be longer; `fields` is null when our decoder calls it invalid. */
  applies(fields: Fields | null, bytes: Uint8Array): boolean;
}
export interface FactDifference extends Difference {
  readonly fields: readonly FactName[];
  readonly mnemonics?: readonly string[];
  readonly applies?: (instruction: Instruction, ours: Facts, iced: Facts) => boolean;
}
export interface OpcodeDifference extends Difference {
  applies(key: string): boolean;
}
export interface LengthDifference extends Difference {
  applies(bytes: Uint8Array, text: string): boolean;
}

const ENCODING_VEX = 1;
const ENCODING_EVEX = 2;
const ENCODING_XOP = 3;
const ENCODING_REX2 = 4;
const MAP_0F = 1;
const MAP_0F38 = 2;
const MAP_0F3A = 3;
const MAP_3DNOW = 15;
const PP_NONE = 0;
const PP_66 = 1;
const PP_F3 = 2;
const PP_F2 = 3;

const legacyOpcode = (fields: Fields | null, map: number, ...opcodes: number[]): boolean =>
  fields !== null && fields.encoding === 0 && fields.map === map && opcodes.includes(fields.opcode);

/** Offset of the opcode map's first byte: behind legacy prefixes and REX. */
function skipPrefixes(bytes: Uint8Array): number {
  const prefixes = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65];
  return bytes.findIndex((byte) => !prefixes.includes(byte) && (byte & 0xf0) !== 0x40);
}

const IS4_OPCODES = "4a 4b 4c 5c 5d 5e 5f 68 69 6a 6b 6c 6d 6e 6f 78 79 7a 7b 7c 7d 7e 7f"
  .split(" ")
  .map((text) => parseInt(text, 16));
const APX_VEX_OPCODES: Record<number, number[]> = {
  [MAP_0F]: [0x90, 0x91, 0x92, 0x93],
  [MAP_0F38]: [0x49, 0x4a, 0x4b, ...Array.from({ length: 16 }, (_, i) => 0xe0 + i), 0xf2, 0xf3, 0xf5, 0xf6, 0xf7],
  [MAP_0F3A]: [0xf0],
  7: [0xf6, 0xf8],
};
/** Map, mandatory prefix, opcodes. */
const AVX10_2_OPCODES: Record<number, Record<number, number[]>> = {
  [MAP_0F]: { [PP_66]: [0xd6], [PP_F3]: [0x2e, 0x2f, 0x7e], [PP_F2]: [0x2e, 0x2f] },
  [MAP_0F38]: {
    [PP_NONE]: [0x50, 0x51, 0x52, 0x6d, 0x74, 0xd2, 0xd3],
    [PP_66]: [0x4a, 0x67, 0x6d, 0xd2, 0xd3],
    [PP_F3]: [0x4a, 0x50, 0x51, 0x6d, 0x74, 0xd2, 0xd3, 0xda],
    [PP_F2]: [0x50, 0x51, 0x6d, 0x74, 0xda],
  },
  [MAP_0F3A]: {
    [PP_NONE]: [0x07, 0x52, 0x53],
    [PP_66]: [0x07, 0x52, 0x53],
    [PP_F3]: [0x07, 0x42, 0x77],
    [PP_F2]: [0x07, 0x08, 0x26, 0x52, 0x56, 0x66, 0x77, 0xc2],
  },
  5: {
    [PP_NONE]: [0x18, 0x1b, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x74],
    [PP_66]: [0x2f, 0x51, 0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d],
    [PP_F3]: [0x18, 0x1b, 0x2e, 0x2f, 0x6c, 0x6d, 0x6e, 0x6f, 0x74, 0x7e],
    [PP_F2]: [0x18, 0x1b, 0x1e, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6f, 0x74],
  },
  6: {
    [PP_NONE]: [0x2c, 0x42, 0x4c, 0x4e, 0x98, 0x9a, 0x9c, 0x9e, 0xa8, 0xaa, 0xac, 0xae, 0xb8, 0xba, 0xbc, 0xbe],
  },
};

/** Fields of an instruction, and whether it is one: decode.ts and iced-x86 1.21. */
export const ICED_FIELDS: readonly FieldDifference[] = [
  {
    name: "is4",
    manual: "SDM volume 2, 5.1: a register in imm8[7:4] is an immediate byte; iced counts it as a register operand",
    aspects: ["imm"],
    applies: (fields) =>
      fields !== null &&
      ((fields.encoding === ENCODING_VEX && fields.map === MAP_0F3A && IS4_OPCODES.includes(fields.opcode)) ||
        (fields.encoding === ENCODING_XOP && fields.map === 8 && fields.opcode < 0xc0)),
  },
  {
    name: "hlt",
    manual: "hlt faults outside of the kernel: control does not go on; iced has it as an ordinary instruction",
    aspects: ["flow"],
    applies: (fields) => legacyOpcode(fields, 0, 0xf4),
  },
  {
    name: "sysenter, sysexit, sysret",
    manual: "one kind of our own, FLOW_SYSENTER; iced says call and return",
    aspects: ["flow"],
    applies: (fields) => legacyOpcode(fields, MAP_0F, 0x34, 0x35, 0x07),
  },
  {
    name: "virtual machine calls",
    manual:
      "vmcall, vmlaunch, vmresume, vmmcall, vmgexit, tdcall, seamcall...: control comes back to the next instruction",
    aspects: ["flow"],
    applies: (fields) =>
      legacyOpcode(fields, MAP_0F, 0x01) &&
      [0xc1, 0xc2, 0xc3, 0xcc, 0xcd, 0xcf, 0xd4, 0xd8, 0xd9, 0xde].includes(fields!.modrm),
  },
  {
    name: "REX2",
    manual: "APX specification, 3.1.1: iced 1.21 does not know APX",
    aspects: ["valid"],
    applies: (fields) => fields?.encoding === ENCODING_REX2,
  },
  {
    name: "EVEX with APX registers",
    manual: "APX specification, 3.1.2: B4, X4 and R' extend general registers to r16..r31; iced 1.21 does not know APX",
    aspects: ["valid"],
    applies: (fields) => fields?.encoding === ENCODING_EVEX && fields.rexHigh !== 0,
  },
  {
    name: "EVEX forms of legacy and VEX instructions",
    manual: "APX specification, 3.1.2.3: map 4 and promoted BMI, AMX, kmov, cmpccxadd; iced 1.21 does not know APX",
    aspects: ["valid"],
    applies: (fields) =>
      fields?.encoding === ENCODING_EVEX &&
      (fields.map === 4 || (APX_VEX_OPCODES[fields.map]?.includes(fields.opcode) ?? false)),
  },
  {
    name: "movrs",
    manual: "MOVRS (Intel ISE reference, chapter MOVRS) is younger than iced 1.21",
    aspects: ["valid"],
    applies: (fields) => legacyOpcode(fields, MAP_0F38, 0x8a, 0x8b),
  },
  {
    name: "urdmsr, uwrmsr",
    manual: "USER_MSR (Intel ISE reference) is younger than iced 1.21",
    aspects: ["valid"],
    applies: (fields) =>
      (legacyOpcode(fields, MAP_0F38, 0xf8) && fields!.modrm >= 0xc0) ||
      (fields?.encoding === ENCODING_VEX && fields.map === 7),
  },
  {
    name: "AMX-TF32, AMX-FP8, AMX-MOVRS",
    manual: "Intel ISE reference, chapter AMX: younger than iced 1.21",
    aspects: ["valid"],
    applies: (fields) =>
      fields?.encoding === ENCODING_VEX &&
      ((fields.map === MAP_0F38 && [0x48, 0x4a].includes(fields.opcode)) || fields.map === 5),
  },
  {
    name: "AVX10.2",
    manual:
      "Intel AVX10.2 Architecture Specification, MOVRS and AMX-AVX512 of the ISE reference: younger than iced 1.21; LLVM 22 knows them",
    aspects: ["valid"],
    applies: (fields) =>
      fields?.encoding === ENCODING_EVEX &&
      (AVX10_2_OPCODES[fields.map]?.[fields.mandatoryPrefix]?.includes(fields.opcode) ?? false),
  },
  {
    name: "Geode's 3DNow!",
    manual: "pfrcpv and pfrsqrtv: AMD Geode LX data book; iced has them behind an option",
    aspects: ["valid"],
    applies: (fields) => fields?.map === MAP_3DNOW && [0x86, 0x87].includes(fields.opcode),
  },
  {
    name: "rmpread",
    manual: "APM volume 3, RMPREAD: younger than iced 1.21",
    aspects: ["valid"],
    applies: (fields) => legacyOpcode(fields, MAP_0F, 0x01) && fields!.modrm === 0xfd,
  },
  {
    name: "PadLock",
    manual:
      "VIA's and Zhaoxin's manuals define 0f a6 and 0f a7 with ModRM.rm = 0; iced takes any rm, some only with rep",
    aspects: ["valid", "invalid"],
    applies: (_, bytes) => {
      const at = skipPrefixes(bytes);
      return bytes[at] === 0x0f && (bytes[at + 1] === 0xa6 || bytes[at + 1] === 0xa7);
    },
  },
];

const within = (small: number, large: number): boolean => (small & ~large) === 0;
/** Ours holds all that iced has, and more. */
const isMore = (ours: Facts, iced: Facts, fields: FactName[]): boolean =>
  fields.every((field) => within(iced[field] as number, ours[field] as number));

/** What an instruction reads and writes: facts.ts and iced-x86 1.21. */
export const ICED_FACTS: readonly FactDifference[] = [
  {
    name: "conditional moves",
    manual: "the old value may stay: ours counts it as read (bsf, bsr: SDM, undefined or unchanged; AMD: unchanged)",
    fields: ["registersRead"],
    applies: (instruction, ours, iced) =>
      /^(Cmov|Bsf|Bsr|Rdssp)/.test(Mnemonic[instruction.mnemonic]) && isMore(ours, iced, ["registersRead"]),
  },
  {
    name: "zeroing idioms",
    manual: "xor or sub of a register with itself does not depend on it; ours does not look",
    fields: ["registersRead", "vectorsRead"],
    applies: (instruction, ours, iced) =>
      /^(V?P?Xor|Sub|V?Psub|V?Pandn|V?Pcmp|Vx?or)/i.test(Mnemonic[instruction.mnemonic]) &&
      isMore(ours, iced, ["registersRead", "vectorsRead"]),
  },
  {
    name: "shifts by a count of zero",
    manual: "iced looks at the immediate: a count of 0 after masking changes no flag",
    fields: ["flagsRead", "flagsWritten"],
    applies: (instruction, ours, iced) =>
      /^(Rc[lr]|Ro[lr]|Sh[lr]d?|Sal|Sar)$/.test(Mnemonic[instruction.mnemonic]) &&
      isMore(ours, iced, ["flagsRead", "flagsWritten"]),
  },
  {
    name: "addresses that are not accessed",
    manual: "nop, ud0 and ud1 name an operand in memory: ours counts its address registers as read, as for lea",
    fields: ["registersRead"],
    applies: (instruction, ours, iced) =>
      /^(Nop|Reservednop|Ud0|Ud1)$/.test(Mnemonic[instruction.mnemonic]) && isMore(ours, iced, ["registersRead"]),
  },
  {
    name: "syscall",
    manual: "for a program the flags are the same after the call: sysret restores them from r11 (SDM, SYSRET)",
    fields: ["flagsRead", "flagsWritten"],
    mnemonics: ["Syscall"],
  },
  { name: "leave", manual: "pop reads and writes rsp in ours", fields: ["registersRead"], mnemonics: ["Leave"] },
  {
    name: "getsec",
    manual: "its leaf in eax decides: ours takes all (SDM volume 2, chapter 7)",
    fields: ["registersRead", "registersWritten"],
    mnemonics: ["Getsec", "Getsecq"],
  },
  {
    name: "cache line instructions",
    manual: "clflush, clwb and umonitor read no data; clzero writes 64 bytes at rax (APM volume 3)",
    fields: ["memory"],
    mnemonics: ["Clflush", "Clflushopt", "Clwb", "Umonitor", "Clzero", "Cldemote"],
  },
  {
    name: "enter with a nesting level",
    manual: "it copies frame pointers: reads memory; iced counts them only up to a level",
    fields: ["memory"],
    mnemonics: ["Enter"],
  },
  {
    name: "another machine's state",
    manual: "vmrun and skinit go on in another world: no manual lists registers of this one",
    fields: ["registersRead", "registersWritten", "flagsRead", "flagsWritten"],
    mnemonics: ["Vmrun", "Skinit"],
  },
  {
    name: "PadLock and pbndkb",
    manual: "inputs and counts as the makers' manuals have them; iced has fewer",
    fields: ["registersRead", "registersWritten", "memory"],
    applies: (instruction) => /^(X(store|crypt|sha)|Ccs|Montmul|Undoc|Pbndkb)/.test(Mnemonic[instruction.mnemonic]),
  },
  {
    name: "x87 state with 66",
    manual: "14 and 94 bytes instead of 28 and 108: ours gives the larger",
    fields: ["memorySize"],
    mnemonics: ["Fldenv", "Fnstenv", "Frstor", "Fnsave"],
  },
  {
    name: "insertq",
    manual: "APM volume 4: the rest of the low quadword stays, so the destination is read",
    fields: ["vectorsRead"],
    mnemonics: ["Insertq"],
  },
  {
    name: "blends with an opmask",
    manual: "the opmask selects and does not merge; ours counts the destination as read",
    fields: ["vectorsRead"],
    applies: (instruction, ours, iced) =>
      /^V(p?blendm)/i.test(Mnemonic[instruction.mnemonic]) && isMore(ours, iced, ["vectorsRead"]),
  },
];

const PREFIX_ONLY = /^(rex[.WRXB]*|lock|repz|repnz|data16|addr32|[cdefgs]s|fwait|notrack|bnd|xacquire|xrelease)( |$)/;

/** As objdump shows data. */
const printable = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");

/** Lengths: decode.ts and objdump 2.40. `text` is objdump's. */
export const OBJDUMP_LENGTHS: readonly LengthDifference[] = [
  {
    name: "prefixes on lines of their own",
    manual: "objdump prints prefixes that it does not use, or one before another REX, as instructions",
    applies: (_, text) => PREFIX_ONLY.test(text) && !/[%$(]/.test(text),
  },
  {
    name: "fwait",
    manual: "9b is an instruction (SDM, FWAIT); objdump prints it as part of the x87 instruction behind it",
    applies: (bytes) => bytes.includes(0x9b),
  },
  {
    name: "(bad)",
    manual: "objdump knows neither APX nor MOVRS, and calls much #UD that is valid on AMD, VIA or by a later manual",
    applies: (_, text) => text.includes("(bad)"),
  },
  {
    name: "lock without memory",
    manual:
      "SDM volume 2, LOCK: #UD unless a lockable instruction writes memory; objdump prints the prefix before anything",
    applies: (_, text) => /\block /.test(text),
  },
  {
    name: "segment registers that are none",
    manual:
      "SDM volume 2, MOV: ModRM.reg 6 and 7 name no segment register and cs cannot be loaded, #UD; objdump prints %? and %cs",
    applies: (_, text) => text.includes("%?") || /\bmov .*,%cs\b/.test(text),
  },
  {
    name: "prefixes before VEX",
    manual: "SDM volume 2, 2.3.2 to 2.3.4: #UD for VEX behind REX, 66, F2 or F3; objdump prints both",
    applies: (_, text) => /\b(rex[.WRXB]*|data16|repn?z) v[a-z]/.test(text),
  },
  {
    name: "frstpm",
    manual: "SDM volume 2, table A-10: DB E5 is reserved; objdump knows it from the 80287",
    applies: (_, text) => /\bfrstpm\b/.test(text),
  },
  {
    name: "data",
    manual: "what a symbol calls data, or the end cuts off, objdump prints as bytes and not as an instruction",
    applies: (bytes, text) => text.startsWith(".byte ") || text.trim() === printable(bytes).trim(),
  },
];

/** Lengths: decode.ts and LLVM 19 to 22. */
export const LLVM_LENGTHS: readonly LengthDifference[] = [
  {
    name: "SIB base 101 with B4",
    manual:
      "SDM volume 2, table 2-3: with mod = 00 a base of 101 is disp32 and no register, whatever extends it; LLVM takes r21 and r29",
    applies: (bytes) => {
      const at = bytes.findIndex((byte) => byte === 0xd5 || byte === 0x62);
      const isRex2 = bytes[at] === 0xd5;
      const hasB4 = (bytes[at + 1]! & (isRex2 ? 0x10 : 0x08)) !== 0;
      const modrm = bytes[at + (isRex2 ? 3 : 5)]!;
      const sib = bytes[at + (isRex2 ? 4 : 6)]!;
      return hasB4 && (modrm & 0xc7) === 4 && (sib & 7) === 5;
    },
  },
  {
    name: "extrq with W",
    manual: "APM volume 4, EXTRQ: W is ignored; LLVM takes 66 REX2.W 0F 78 as vmread",
    applies: (bytes) => {
      const at = bytes.indexOf(0xd5);
      return bytes.subarray(0, at).includes(0x66) && (bytes[at + 1]! & 0x88) === 0x88 && bytes[at + 2] === 0x78;
    },
  },
];

/** Opcodes that LLVM 19 to 22 takes and decode.ts does not: `key` is from decode-llvm.test.ts. */
export const LLVM_OPCODES: readonly OpcodeDifference[] = [
  {
    name: "andn, blsr, bzhi with 66",
    manual: "APX specification, EVEX.LZ.NP: the prefix is part of the opcode; LLVM 22 takes 66 with W",
    applies: (key) => /^EVEX map 2 66 f[235] /.test(key),
  },
];
