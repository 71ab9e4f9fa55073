// The names of the matching language: what each means, and where its value is in the record of an instruction
// (src/abi/instruction-record.ts). docs/matching.md has this table for people; a test compares.

import * as record from "../abi/instruction-record.js";
import { MNEMONICS } from "./mnemonics.js";

/** A condition: one of some bits is set. */
export interface ClassName {
  readonly kind: "class";
  readonly offset: number;
  readonly mask: number;
}

/** An integer, in the record as it is. */
export interface NumberName {
  readonly kind: "number";
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
  /** HAS_ bit without which it says nothing; 0: it is always there. */
  readonly has: number;
  /** 0 stands for "not known". */
  readonly isZeroUnknown?: true;
}

/** A register as part of an operand's address, by the number that the record has. */
export interface RegisterName {
  readonly kind: "register";
  readonly offset: number;
  readonly values: ReadonlyMap<string, number>;
  /** The number of no register. */
  readonly none: number;
}

/** Registers or flags, as bits. */
export interface SetName {
  readonly kind: "set";
  readonly members: ReadonlyMap<string, { readonly offset: number; readonly size: 1 | 4; readonly bit: number }>;
}

export interface TextName {
  readonly kind: "text";
  readonly text: TextField;
}

export interface MnemonicName {
  readonly kind: "mnemonic";
}

export type TextField = "file" | "function" | "target.file" | "target.function" | "asm";

export type Name = { readonly meaning: string; readonly needs: number } & (
  ClassName | NumberName | RegisterName | SetName | TextName | MnemonicName
);

/** Where a text is in the record, and the NEEDS_ bit that asks for it. */
export const TEXTS: Readonly<Record<TextField, { offset: number; max: number; needs: number; has: number }>> = {
  file: { offset: record.RECORD_FILE, max: record.FILE_TEXT_MAX, needs: record.NEEDS_FILE, has: 0 },
  function: { offset: record.RECORD_FUNCTION, max: record.FUNCTION_TEXT_MAX, needs: record.NEEDS_FUNCTION, has: 0 },
  "target.file": {
    offset: record.RECORD_TARGET_FILE,
    max: record.FILE_TEXT_MAX,
    needs: record.NEEDS_TARGET_FILE,
    has: record.HAS_TARGET,
  },
  "target.function": {
    offset: record.RECORD_TARGET_FUNCTION,
    max: record.FUNCTION_TEXT_MAX,
    needs: record.NEEDS_TARGET_FUNCTION,
    has: record.HAS_TARGET,
  },
  asm: { offset: record.RECORD_DISASSEMBLY, max: record.DISASSEMBLY_TEXT_MAX, needs: record.NEEDS_DISASSEMBLY, has: 0 },
};

/** General registers by their numbers in ModRM and REX: SDM volume 2, table 2-2; r16 and up are APX's. */
export const GENERAL_REGISTERS: readonly string[] = [
  ..."rax rcx rdx rbx rsp rbp rsi rdi".split(" "),
  ...Array.from({ length: 24 }, (_, i) => `r${i + 8}`),
];
const FLAGS = ["of", "sf", "zf", "af", "pf", "cf", "df"];
const REGISTER_NONE = 0xff;
const REGISTER_RIP = 0xfe;

const numbered = (names: readonly string[], first = 0): [string, number][] => names.map((name, i) => [name, first + i]);
const vectorNames = (letter: string): string[] => Array.from({ length: 32 }, (_, i) => `${letter}mm${i}`);
const VECTOR_INDICES = ["x", "y", "z"].flatMap((letter) => numbered(vectorNames(letter), record.VECTOR_INDEX));

const BASES = new Map([...numbered(GENERAL_REGISTERS), ["rip", REGISTER_RIP] as const]);
const INDICES = new Map([...numbered(GENERAL_REGISTERS), ...VECTOR_INDICES]);
const SEGMENTS = new Map([
  ["fs", 1],
  ["gs", 2],
]);

function registerSet(general: number, vectors: number, opmasks: number): SetName["members"] {
  const bits = (
    names: readonly string[],
    offset: number,
    size: 1 | 4,
  ): [string, { offset: number; size: 1 | 4; bit: number }][] =>
    names.map((name, bit) => [name, { offset, size, bit }]);
  return new Map([
    ...bits(GENERAL_REGISTERS, general, 4),
    ...["x", "y", "z"].flatMap((letter) => bits(vectorNames(letter), vectors, 4)),
    ...bits(
      Array.from({ length: 8 }, (_, i) => `k${i}`),
      opmasks,
      1,
    ),
  ]);
}
const flagSet = (offset: number): SetName["members"] =>
  new Map(FLAGS.map((name, bit) => [name, { offset, size: 1, bit }]));

const classOf = (mask: number, needs: number, meaning: string): Name => ({
  kind: "class",
  offset: record.RECORD_CLASSES,
  mask,
  needs,
  meaning,
});
const hasOf = (mask: number, meaning: string): Name => ({
  kind: "class",
  offset: record.RECORD_HAS,
  mask,
  needs: record.NEEDS_FACTS,
  meaning,
});
const numberOf = (
  offset: number,
  size: NumberName["size"],
  meaning: string,
  { has = 0, needs = 0, isZeroUnknown }: { has?: number; needs?: number; isZeroUnknown?: true } = {},
): Name => ({ kind: "number", offset, size, has, needs, meaning, ...(isZeroUnknown && { isZeroUnknown }) });
const registerOf = (offset: number, values: ReadonlyMap<string, number>, none: number, meaning: string): Name => ({
  kind: "register",
  offset,
  values,
  none,
  needs: record.NEEDS_FACTS,
  meaning,
});
const setOf = (members: SetName["members"], meaning: string): Name => ({
  kind: "set",
  members,
  needs: record.NEEDS_FACTS,
  meaning,
});
const textOf = (text: TextField, meaning: string): Name => ({ kind: "text", text, needs: TEXTS[text].needs, meaning });

const { NEEDS_NAME, NEEDS_FACTS } = record;

/** Every name but mnemonics, registers and flags, in the order of the documentation. */
export const NAMES: ReadonlyMap<string, Name> = new Map<string, Name>([
  ["jump", classOf(record.CLASS_JUMP, 0, "jumps, conditional or not, direct or indirect; `loop`, `jrcxz`")],
  ["cond", classOf(record.CLASS_CONDITIONAL, 0, "conditional jumps; `loop`, `jrcxz`")],
  ["call", classOf(record.CLASS_CALL, 0, "calls, direct or indirect")],
  ["ret", classOf(record.CLASS_RETURN, 0, "returns; `iret`")],
  ["indirect", classOf(record.CLASS_INDIRECT, 0, "jumps and calls through a register or memory")],
  ["syscall", classOf(record.CLASS_SYSCALL, 0, "`syscall`")],
  ["interrupt", classOf(record.CLASS_INTERRUPT, 0, "`int`, `int1`, `int3`")],
  ["load", classOf(record.CLASS_LOAD, NEEDS_FACTS, "reads memory, the stack too (`pop`, `ret`)")],
  ["store", classOf(record.CLASS_STORE, NEEDS_FACTS, "writes memory, the stack too (`push`, `call`)")],
  [
    "stack",
    classOf(
      record.CLASS_STACK,
      NEEDS_FACTS,
      "accesses the stack: `push`, `pop`, `call`, `ret`, or an operand with base rsp",
    ),
  ],
  [
    "string",
    classOf(record.CLASS_STRING, NEEDS_NAME, "`movs`, `cmps`, `stos`, `lods`, `scas`, `ins`, `outs` of any size"),
  ],
  ["atomic", classOf(record.CLASS_ATOMIC, NEEDS_FACTS, "with a lock prefix; `xchg` with memory")],
  ["simd", classOf(record.CLASS_SIMD, NEEDS_NAME, "uses xmm, ymm, zmm, opmask or mm registers")],
  ["x87", classOf(record.CLASS_X87, NEEDS_NAME, "instructions of the x87 unit")],
  ["nop", classOf(record.CLASS_NOP, NEEDS_NAME, "does nothing: `nop`, `pause`, `endbr64`, prefetches and other hints")],
  ["lock", classOf(record.CLASS_LOCK, 0, "has a lock prefix")],
  ["rep", classOf(record.CLASS_REP, NEEDS_NAME, "a string instruction with a rep, repe or repne prefix")],
  ["vex", classOf(record.CLASS_VEX, 0, "encoded with VEX (AVX, AVX2, BMI) or XOP")],
  ["evex", classOf(record.CLASS_EVEX, 0, "encoded with EVEX (AVX-512)")],
  ["pcrel", classOf(record.CLASS_RIP_RELATIVE, 0, "has an operand in memory relative to rip")],
  [
    "block",
    classOf(record.CLASS_BLOCK, record.NEEDS_BLOCKS, "one instruction of each basic block: [below](#basic-blocks)"),
  ],
  ["mem", hasOf(record.HAS_MEMORY, "has an operand in memory, an address at least (`lea`)")],
  ["mem.read", hasOf(record.HAS_MEMORY_READ, "reads its operand in memory")],
  ["mem.write", hasOf(record.HAS_MEMORY_WRITE, "writes its operand in memory")],
  ["known", hasOf(record.HAS_FACTS, "registers, flags and memory are known; they are of all but some APX forms")],
  [
    "mnemonic",
    {
      kind: "mnemonic",
      needs: NEEDS_NAME,
      meaning: "the instruction's name as Intel writes it; a mnemonic alone is a condition",
    },
  ],
  ["size", numberOf(record.RECORD_INSTRUCTION_SIZE, 1, "bytes of the instruction, 1 to 15")],
  ["opcode", numberOf(record.RECORD_OPCODE, 4, "opcode with its escape bytes: `0x89`, `0x0f05`, `0x0f38f0`")],
  ["width", numberOf(record.RECORD_WIDTH, 2, "bytes of the first operand", { needs: NEEDS_NAME, isZeroUnknown: true })],
  ["address", numberOf(record.RECORD_INSTRUCTION_ADDRESS, 8, "where the instruction is, as objdump prints it")],
  ["offset", numberOf(record.RECORD_FILE_OFFSET, 8, "where it is in the file", { has: record.HAS_OFFSET })],
  ["target", numberOf(record.RECORD_TARGET, 8, "where a direct jump or call leads", { has: record.HAS_TARGET })],
  ["imm", numberOf(record.RECORD_IMMEDIATE, 8, "the immediate operand, signed", { has: record.HAS_IMMEDIATE })],
  ["mem.base", registerOf(record.RECORD_BASE, BASES, REGISTER_NONE, "base register of the operand in memory, or rip")],
  [
    "mem.index",
    registerOf(
      record.RECORD_INDEX,
      INDICES,
      REGISTER_NONE,
      "index register; of gathers and scatters a vector register",
    ),
  ],
  ["mem.segment", registerOf(record.RECORD_SEGMENT, SEGMENTS, 0, "fs or gs, where its base is added")],
  [
    "mem.scale",
    numberOf(record.RECORD_SCALE, 1, "what the index is multiplied by: 1, 2, 4, 8", {
      has: record.HAS_MEMORY,
      needs: NEEDS_FACTS,
    }),
  ],
  [
    "mem.disp",
    numberOf(record.RECORD_DISPLACEMENT, 8, "the displacement, signed", { has: record.HAS_MEMORY, needs: NEEDS_FACTS }),
  ],
  [
    "mem.address",
    numberOf(record.RECORD_MEMORY_ADDRESS, 8, "the operand's address, where the instruction alone says it", {
      has: record.HAS_MEMORY_ADDRESS,
      needs: NEEDS_FACTS,
    }),
  ],
  [
    "mem.size",
    numberOf(record.RECORD_MEMORY_SIZE, 2, "bytes of the operand in memory, also of string instructions", {
      needs: NEEDS_FACTS,
      isZeroUnknown: true,
    }),
  ],
  [
    "reads",
    setOf(
      registerSet(record.RECORD_REGISTERS_READ, record.RECORD_VECTORS_READ, record.RECORD_OPMASKS_READ),
      "registers read, for addresses too",
    ),
  ],
  [
    "writes",
    setOf(
      registerSet(record.RECORD_REGISTERS_WRITTEN, record.RECORD_VECTORS_WRITTEN, record.RECORD_OPMASKS_WRITTEN),
      "registers written, wholly or in part",
    ),
  ],
  ["flags.reads", setOf(flagSet(record.RECORD_FLAGS_READ), "flags read")],
  ["flags.writes", setOf(flagSet(record.RECORD_FLAGS_WRITTEN), "flags written, or left undefined")],
  ["file", textOf("file", "path of the file that the instruction is from")],
  ["function", textOf("function", "function that it is in: the symbol, not demangled")],
  ["target.file", textOf("target.file", "file that a direct jump or call leads to, also through the PLT")],
  [
    "target.function",
    textOf("target.function", "function that a direct jump or call leads to, or into, also through the PLT"),
  ],
  ["asm", textOf("asm", "the disassembly as `flicker inspect` prints it, one space behind the mnemonic")],
]);

const numbers = new Map(MNEMONICS.map((name, number) => [name, number]));
numbers.delete("-");

/** Other names of conditions in jcc, setcc, cmovcc: SDM volume 1, appendix B. */
const CONDITION_ALIASES: Readonly<Record<string, string>> = {
  z: "e",
  nz: "ne",
  c: "b",
  nae: "b",
  nc: "ae",
  nb: "ae",
  na: "be",
  nbe: "a",
  pe: "p",
  po: "np",
  nge: "l",
  nl: "ge",
  ng: "le",
  nle: "g",
};
const conditional = (prefix: string): [string, string[]][] =>
  Object.entries(CONDITION_ALIASES).map(([alias, name]) => [prefix + alias, [prefix + name]]);
const sizes = (family: string, letters: string): [string, string[]] => [
  family,
  Array.from(letters, (letter) => family + letter),
];

/** Other names of mnemonics: the manuals' synonyms, AT&T's names of what Intel calls otherwise, and families of all sizes. */
export const MNEMONIC_ALIASES: ReadonlyMap<string, readonly string[]> = new Map<string, string[]>([
  ...conditional("j"),
  ...conditional("set"),
  ...conditional("cmov"),
  ["loopz", ["loope"]],
  ["loopnz", ["loopne"]],
  ["jecxz", ["jrcxz"]],
  ["sal", ["shl"]],
  ["wait", ["fwait"]],
  ["xlatb", ["xlat"]],
  ["retn", ["ret"]],
  ["lret", ["retf"]],
  ["movabs", ["mov"]],
  ["cbtw", ["cbw"]],
  ["cwtl", ["cwde"]],
  ["cltq", ["cdqe"]],
  ["cwtd", ["cwd"]],
  ["cltd", ["cdq"]],
  ["cqto", ["cqo"]],
  ["movsl", ["movsd"]],
  ["cmpsl", ["cmpsd"]],
  ["stosl", ["stosd"]],
  ["lodsl", ["lodsd"]],
  ["scasl", ["scasd"]],
  sizes("movs", "bwdq"),
  sizes("cmps", "bwdq"),
  sizes("stos", "bwdq"),
  sizes("lods", "bwdq"),
  sizes("scas", "bwdq"),
  sizes("ins", "bwd"),
  sizes("outs", "bwd"),
]);
/** Aliases of string instructions whose mnemonic is an SSE instruction's too (movsd, cmpsd). */
const STRING_ALIASES = new Set(["movs", "cmps", "movsl", "cmpsl"]);

export interface Mnemonic {
  /** Numbers of src/match/mnemonics.ts. */
  readonly numbers: readonly number[];
  /** Only where the instruction is a string instruction. */
  readonly isString: boolean;
}

/** The mnemonics that a name stands for, in capitals or not, or null. */
export function mnemonicNamed(name: string): Mnemonic | null {
  const low = name.toLowerCase();
  const found = (MNEMONIC_ALIASES.get(low) ?? [low]).map((each) => numbers.get(each));
  const known = found.filter((number) => number !== undefined);
  return known.length < found.length ? null : { numbers: known, isString: STRING_ALIASES.has(low) };
}

/** All mnemonics and their aliases. */
export function mnemonicNames(): string[] {
  return [...numbers.keys(), ...MNEMONIC_ALIASES.keys()];
}
