// Reads src/engine/x86/opcodes.txt and writes src/engine/x86/fact-tables.ts: what each instruction reads and writes, and
// src/match/mnemonics.ts: what it is called.
//
// The same rows as the decoder's (tools/opcode-rows.ts), with the same lists of forms and the same first fit; only that
// here a form leads to a record of 18 bytes and the number of a mnemonic, and rows merge when both are equal. The decoder
// does not pay for this: facts.ts looks an instruction up again when somebody asks.
//
//   record    0..4   five operands: place (FACT_PLACES), access in the two high bits (1 read, 2 written)
//             5      size of the operand in memory (SIZES of facts.ts)
//             6, 7   flags read, flags written
//             8..11  other general registers read, written: one bit each, u16
//            12      stack and other memory (see IMPLICIT)
//            13      size of the element that disp8 scales by, 0: the whole operand; see ELEMENT for the high bits
//            14, 15  other vector registers read, written: xmm0..xmm7
//            16     size of the first operand (SIZES of facts.ts)
//            17     what the row is (see KINDS)

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import {
  type Form,
  type Row,
  PAGES,
  buildLists,
  namedParts,
  operandName,
  parseOpcodes,
  rangeOf,
} from "./opcode-rows.js";

const x86Folder = join(dirname(fileURLToPath(import.meta.url)), "../src/engine/x86");
const TABLES = join(x86Folder, "fact-tables.ts");
const MNEMONIC_TABLE = join(x86Folder, "../../match/mnemonics.ts");

/** Where an operand is. The order is the encoding: facts.ts imports the constants. */
const PLACES = [
  "NONE",
  "RM",
  "RM_BYTE",
  "RM_SIZED",
  "RM_VECTOR",
  "RM_OPMASK",
  "RM_OTHER",
  "REG",
  "REG_BYTE",
  "REG_SIZED",
  "REG_VECTOR",
  "REG_OPMASK",
  "REG_OPMASK_PAIR",
  "REG_OTHER",
  "VVVV",
  "VVVV_VECTOR",
  "VVVV_OPMASK",
  "IS4",
  "OPCODE",
  "OPCODE_BYTE",
  "OPCODE_SIZED",
  "MOFFS",
  "RSI",
  "RDI",
] as const;
type Place = (typeof PLACES)[number];

/** Sizes in memory. A number is itself; the others depend on the instruction's operand size or vector length. */
const FIXED_SIZES: Record<string, number> = {
  n: 0,
  b: 1,
  w: 2,
  d: 4,
  q: 8,
  dq: 16,
  qq: 32,
  zz: 64,
  t: 10,
  s: 10,
  ss: 4,
  sd: 8,
  sh: 2,
  "?": 0,
};
const VARIABLE_SIZES = ["v", "z", "y", "x", "hx", "qx", "ex", "p", "v64"];
const VARIABLE_SIZE_FIRST = 224;
/** Sizes above 223 bytes do not fit in the byte: they have numbers of their own. */
const LARGE_SIZES: Record<string, number> = { "512": 240 };

const REGISTERS = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11"];
const FLAGS = "oszapcd";

const READ = 1;
const WRITE = 2;
const IMPLICIT = {
  PUSH: 1,
  POP: 2,
  LOAD: 4,
  STORE: 8,
  /** The implicit registers written are one byte; are as long as the operand size. */
  BYTE: 16,
  SIZED: 32,
  /** ModRM.mod is ignored: no operand in memory. */
  ANY_MOD: 64,
  UNKNOWN: 128,
};

/** What a row's instructions are, whatever their operands. */
const KINDS = {
  /** Reads memory at rsi or writes it at rdi, and moves on: what rep repeats. */
  STRING: 1,
  /** Vector, opmask or MMX registers. */
  SIMD: 2,
  X87: 4,
  /** Locks the bus without a prefix, with an operand in memory (xchg). */
  LOCKS: 8,
  /** Does nothing: nop, endbr64, prefetches. */
  HINT: 16,
};

const accessOf = (operand: string): number =>
  operand.endsWith("=") ? WRITE : operand.endsWith("+") ? READ | WRITE : READ;

/** Place and type of an operand that is not a fixed register. */
function placeOf(name: string): [Place, string] {
  // General registers: the place, that of a byte, that of as many bytes as the operand size says.
  const rules: [RegExp, Place, Place?, Place?][] = [
    [/^Ke|^Kr/, "RM_OPMASK"],
    [/^Kgp/, "REG_OPMASK_PAIR"],
    [/^Kg/, "REG_OPMASK"],
    [/^Kh/, "VVVV_OPMASK"],
    [/^Tg/, "REG_OTHER"],
    [/^Th|^Tr/, "NONE"],
    [/^vm..|^sibmem/, "RM"],
    [/^[WU]/, "RM_VECTOR"],
    [/^[QN]|^Fi/, "RM_OTHER"],
    [/^[ERM]/, "RM", "RM_BYTE", "RM_SIZED"],
    [/^G/, "REG", "REG_BYTE", "REG_SIZED"],
    [/^V/, "REG_VECTOR"],
    [/^[PCDS]/, "REG_OTHER"],
    [/^B/, "VVVV"],
    [/^H/, "VVVV_VECTOR"],
    [/^L/, "IS4"],
    [/^Z/, "OPCODE", "OPCODE_BYTE", "OPCODE_SIZED"],
    [/^O/, "MOFFS"],
    [/^X/, "RSI"],
    [/^Y/, "RDI"],
    [/^[IJA]/, "NONE"],
  ];
  for (const [pattern, place, bytePlace, sizedPlace] of rules) {
    const match = pattern.exec(name);
    if (!match) continue;
    const type = name.slice(match[0].length);
    if (type === "b" && bytePlace) return [bytePlace, type];
    return [/^[vz]$/.test(type) && sizedPlace ? sizedPlace : place, type];
  }
  throw new Error(`no place for operand ${name}`);
}

const ELEMENT = {
  /** The element is a broadcast's. */
  BROADCAST: 0x80,
  /** The operand in memory has a vector of indices. */
  VSIB: 0x40,
  /** xmm0..xmm15 are all read; all written. */
  READS_VECTORS: 0x20,
  WRITES_VECTORS: 0x10,
};

/** A general register that is spelled out, as its number; null for what is none (1, FS, GS). */
function fixedRegister(name: string): number | null | undefined {
  const registers: Record<string, number | null> = {
    AL: 0,
    AX: 0,
    rAX: 0,
    eAX: 0,
    CL: 1,
    DX: 2,
    "1": null,
    FS: null,
    GS: null,
  };
  return registers[name];
}

function sizeCode(type: string, row: Row): number {
  if (type === "v" && (row.attributes.includes("d64") || row.attributes.includes("f64"))) type = "v64";
  if (type in FIXED_SIZES) return FIXED_SIZES[type]!;
  if (type in LARGE_SIZES) return LARGE_SIZES[type]!;
  if (/^[0-9]+$/.test(type)) return Number(type);
  const variable = VARIABLE_SIZES.indexOf(type);
  if (variable < 0) throw new Error(`opcodes.txt:${row.line}: unknown type ${type}`);
  return VARIABLE_SIZE_FIRST + variable;
}

function flagSet(row: Row, kind: "r" | "w"): number {
  const names = row.attributes.find((name) => name.startsWith(`${kind}:`))?.slice(2) ?? "";
  return [...names].reduce((set, name) => {
    const bit = FLAGS.indexOf(name);
    if (bit < 0) throw new Error(`opcodes.txt:${row.line}: unknown flag ${name}`);
    return set | (1 << bit);
  }, 0);
}

function registerSets(row: Row): [read: number, written: number] {
  let read = 0;
  let written = 0;
  const use = (register: number, access: number): void => {
    if (access & READ) read |= 1 << register;
    if (access & WRITE) written |= 1 << register;
  };
  for (const attribute of row.attributes) {
    const match = /^([<=+])(r\w+)$/.exec(attribute);
    if (!match) continue;
    const register = REGISTERS.indexOf(match[2]!);
    if (register < 0) throw new Error(`opcodes.txt:${row.line}: unknown register ${match[2]}`);
    use(register, { "<": READ, "=": WRITE, "+": READ | WRITE }[match[1]!]!);
  }
  for (const operand of row.operands) {
    const register = fixedRegister(operandName(operand));
    if (typeof register === "number") use(register, accessOf(operand));
  }
  if (row.attributes.includes("push") || row.attributes.includes("pop")) use(4, READ | WRITE);
  return [read, written];
}

/** Vector registers besides the operands: sets of xmm0..xmm7, and the bits of ELEMENT for all sixteen. */
function vectorSets(row: Row): [read: number, written: number, element: number] {
  let read = 0;
  let written = 0;
  let element = 0;
  for (const attribute of row.attributes) {
    const match = /^([<=+])xmm(\d+)(?:-(\d+))?$/.exec(attribute);
    if (!match) continue;
    const [first, last] = [Number(match[2]), Number(match[3] ?? match[2])];
    if (first === 0 && last === 15) {
      element |= { "<": 0, "=": 0, "+": ELEMENT.READS_VECTORS }[match[1]!]! | ELEMENT.WRITES_VECTORS;
      continue;
    }
    const set = rangeOf(first, last).reduce((bits, number) => bits | (1 << number), 0);
    if (match[1] !== "=") read |= set;
    if (match[1] !== "<") written |= set;
  }
  return [read, written, element];
}

/** How much of the implicit registers is written: all of it, one byte, or as the operand size says. */
function widthOf(row: Row): number {
  const names = row.operands.map(operandName);
  if (row.attributes.includes("byte")) return IMPLICIT.BYTE;
  if (row.attributes.includes("sized")) return IMPLICIT.SIZED;
  if (names.some((name) => /^(AL|AX)$/.test(name) || name === "Eb")) return IMPLICIT.BYTE;
  return names.some((name) => /^[EX][vz]$/.test(name) || /^[re]AX$/.test(name)) ? IMPLICIT.SIZED : 0;
}

/** Size code of a register that is spelled out. */
const FIXED_REGISTER_TYPES: Record<string, string> = {
  AL: "b",
  CL: "b",
  AX: "w",
  DX: "w",
  rAX: "v",
  eAX: "z",
};

/** Size code of the first operand; 0 where it has none that a program could name (a branch's displacement, a tile). */
function widthCode(row: Row): number {
  const first = row.operands[0];
  if (first === undefined) return 0;
  const name = operandName(first);
  const fixed = FIXED_REGISTER_TYPES[name];
  if (fixed !== undefined) return sizeCode(fixed, row);
  if (fixedRegister(name) !== undefined || /^[JAT]/.test(name)) return 0;
  if (/^K/.test(name)) return 8;
  if (/^Fi/.test(name)) return FIXED_SIZES["t"]!;
  if (name.startsWith("vm")) return 0;
  return sizeCode(/^(?:sibmem|[A-Z])(.*)$/.exec(name)![1]!, row);
}

function kindsOf(row: Row): number {
  const names = row.operands.map(operandName);
  const has = (pattern: RegExp): boolean => names.some((name) => pattern.test(name));
  const isX87 = row.page === 0 && row.opcodes.every((opcode) => opcode >= 0xd8 && opcode <= 0xdf);
  const usesVectors = row.attributes.some((attribute) => /^[<=+]xmm/.test(attribute));
  return (
    (has(/^[XY]/) ? KINDS.STRING : 0) |
    (has(/^([WUVHLQNP]|K)/) || usesVectors || row.mnemonic === "emms" || row.mnemonic === "femms" ? KINDS.SIMD : 0) |
    (isX87 ? KINDS.X87 : 0) |
    (row.mnemonic === "xchg" ? KINDS.LOCKS : 0) |
    (row.attributes.includes("hint") ? KINDS.HINT : 0)
  );
}

/** The record of a row: see the drawing above. */
function recordOf(row: Row): number[] {
  const record = new Array<number>(18).fill(0);
  let operands = 0;
  const isPrefetch = row.attributes.includes("hint") && row.mnemonic.startsWith("vgatherpf");
  for (const operand of row.operands) {
    const name = operandName(operand);
    if (fixedRegister(name) !== undefined) continue;
    const [place, type] = placeOf(name);
    const isMemoryPlace = place.startsWith("RM") || place === "MOFFS" || place === "RSI" || place === "RDI";
    if (isMemoryPlace && !/^([RUN]|Kr|Fi|Tr)/.test(name)) {
      const element = row.attributes.find((attribute) => attribute.startsWith("elem"))?.slice(4);
      record[5] = name.startsWith("vm") ? Number(element) : sizeCode(type, row);
    }
    if (place === "NONE") continue;
    if (operands === 5) throw new Error(`opcodes.txt:${row.line}: too many operands`);
    record[operands++] = PLACES.indexOf(place) | ((type === "n" || isPrefetch ? 0 : accessOf(operand)) << 6);
  }
  record[6] = flagSet(row, "r");
  record[7] = flagSet(row, "w");
  const [read, written] = registerSets(row);
  [record[8], record[9], record[10], record[11]] = [read & 255, read >> 8, written & 255, written >> 8];
  const has = (name: string): boolean => row.attributes.includes(name);
  record[12] =
    (has("push") ? IMPLICIT.PUSH : 0) |
    (has("pop") ? IMPLICIT.POP : 0) |
    (has("load") ? IMPLICIT.LOAD : 0) |
    (has("store") ? IMPLICIT.STORE : 0) |
    widthOf(row) |
    (has("anymod") ? IMPLICIT.ANY_MOD : 0) |
    (has("apx") || has("apxvex") || has("unknown") ? IMPLICIT.UNKNOWN : 0);
  const broadcast = row.attributes.find((name) => /^bc[248]$/.test(name));
  const element = row.attributes.find((name) => /^elem[1248]$/.test(name));
  const [vectorsRead, vectorsWritten, vectorBits] = vectorSets(row);
  const vsib = row.operands.some((operand) => operand.startsWith("vm")) ? ELEMENT.VSIB : 0;
  const bits = broadcast ? ELEMENT.BROADCAST | Number(broadcast.slice(2)) : Number(element?.slice(4) ?? 0);
  record[13] = vectorBits | vsib | bits;
  record[14] = vectorsRead;
  record[15] = vectorsWritten;
  record[16] = widthCode(row);
  record[17] = kindsOf(row);
  return record;
}

const data = (name: string, comment: string, type: string, values: number[]): string =>
  `/** ${comment} */\nexport const ${name} = memory.data<${type}>([${values.join(", ")}]);\n`;

/** Where a form's second word has the mnemonic's number, above that of the record. */
const MNEMONIC_SHIFT = 16;

/** Rows that describe families have no mnemonic (APX's forms of other instructions). */
const isNamed = (row: Row): boolean => !row.attributes.includes("apx") && !row.attributes.includes("apxvex");

/** All mnemonics, in order; the first stands for instructions without. */
function mnemonicsOf(rows: Row[]): string[] {
  const names = rows.filter(isNamed).flatMap((row) => namedParts(row).map(({ name }) => name));
  return ["", ...[...new Set([...names, "nop", "pause"])].sort()];
}

/** The texts of src/engine/x86/fact-tables.ts and src/match/mnemonics.ts. */
export async function generateFacts(): Promise<{ tables: string; mnemonics: string }> {
  const rows = parseOpcodes();
  const mnemonics = mnemonicsOf(rows);
  const mnemonicNumbers = new Map(mnemonics.map((name, number) => [name, number]));
  const records: number[][] = [];
  const numbers = new Map<string, number>();
  const formsOf = (row: Row, opcode: number): Form[] => {
    const record = recordOf(row);
    const text = record.join(" ");
    let number = numbers.get(text);
    if (number === undefined) {
      number = records.push(record) - 1;
      numbers.set(text, number);
    }
    if (!isNamed(row)) return [{ accept: row.accept, attributes: number }];
    return namedParts(row)
      .filter(({ opcodes }) => opcodes.includes(opcode))
      .map(({ accept, name }) => ({ accept, attributes: number + mnemonicNumbers.get(name)! * 2 ** MNEMONIC_SHIFT }));
  };
  const { lists, table } = buildLists(rows, formsOf);
  const index = Array.from({ length: PAGES.length * 256 }, (_, key) => lists.get(key)?.start ?? 0);
  const text = [
    "// Generated from x86/opcodes.txt by tools/gen-facts.ts. Do not edit.",
    "",
    PLACES.map((name, i) => `export const PLACE_${name}: u32 = ${i};`).join("\n"),
    "",
    `/** Size codes from here on depend on operand size or vector length, in the order ${VARIABLE_SIZES.join(", ")}. */`,
    `export const SIZE_VARIABLE: u32 = ${VARIABLE_SIZE_FIRST};`,
    `/** Size code of 512 bytes. */\nexport const SIZE_512: u32 = ${LARGE_SIZES["512"]};`,
    Object.entries(IMPLICIT)
      .map(([name, bit]) => `export const IMPLICIT_${name}: u32 = ${bit};`)
      .join("\n"),
    Object.entries(ELEMENT)
      .map(([name, bit]) => `export const ELEMENT_${name}: u32 = ${bit};`)
      .join("\n"),
    Object.entries(KINDS)
      .map(([name, bit]) => `export const KIND_${name}: u32 = ${bit};`)
      .join("\n"),
    "export const RECORD_SIZE: usize = 18;",
    `/** A form's second word: number of the record in the low bits, of the mnemonic from here on. */`,
    `export const MNEMONIC_SHIFT: u32 = ${MNEMONIC_SHIFT};`,
    `export const MNEMONIC_NOP: u32 = ${mnemonicNumbers.get("nop")};`,
    `export const MNEMONIC_PAUSE: u32 = ${mnemonicNumbers.get("pause")};`,
    "",
    data("FACT_INDEX", "page * 256 + opcode -> number of the first form.", "u16", index),
    data("FACT_FORMS", "Pairs of u32: accepted states, numbers of record and mnemonic (bit 31: last).", "u32", table),
    data("FACT_RECORDS", "Records of 18 bytes: see tools/gen-facts.ts.", "u8", records.flat()),
  ].join("\n");
  const names = [
    "// Generated from x86/opcodes.txt by tools/gen-facts.ts. Do not edit.",
    "",
    "/** Mnemonics by the number that the engine's tables have; 0: the instruction has none. */",
    `export const MNEMONICS: readonly string[] = (`,
    `  ${mnemonics
      .map((name) => (name === "" ? "-" : name))
      .join(" ")
      .replace(/(.{1,110})(?: |$)/g, (_, line: string) => `"${line} " +\n  `)}""`,
    `).trimEnd().split(" ");`,
  ].join("\n");
  const options = { parser: "typescript", printWidth: 120 };
  return { tables: await format(text, options), mnemonics: await format(names, options) };
}

export { TABLES as FACT_TABLES, MNEMONIC_TABLE };
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { tables, mnemonics } = await generateFacts();
  writeFileSync(TABLES, tables);
  writeFileSync(MNEMONIC_TABLE, mnemonics);
}
