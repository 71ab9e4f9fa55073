// Reads src/engine/x86/opcodes.txt: rows in the SDM's notation, and what they mean for whoever looks an instruction up.
//
// What decides between the rows of one opcode is small: mandatory prefix, W, vector length, ModRM. Give each value of each
// of these one bit; then a row is the set of states that it accepts, a u32, and an instruction is a state with one bit per
// dimension. The row fits when `(accept & state) == state`: one AND and one comparison, whatever the row says.
//
//   bit   0..3   mandatory prefix: none, 66, F3, F2
//         4..5   W
//         6..9   vector length: 128, 256, 512, the fourth encoding; for legacy encodings: without 66, with 66
//        10..11  ModRM.mod: memory, register
//        12..19  ModRM.reg
//        20..27  ModRM.rm
//        28..29  REX2: without, with
//
// Rows of one opcode become a list of forms (accept, attributes), first fit wins. Rows that say the same for the decoder
// merge (`add Ev,Gv` under all prefixes is one form that accepts everything), and equal lists are stored once.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), "../src/engine/x86/opcodes.txt");

export const MOD_MEMORY = 1;
export const MOD_REGISTER = 2;
export const MOD_ANY = MOD_MEMORY | MOD_REGISTER;

/** Dimensions of a state, in order: name, width in bits. */
export const DIMENSIONS = [
  ["prefix", 4],
  ["w", 2],
  ["length", 4],
  ["mod", 2],
  ["reg", 8],
  ["rm", 8],
  ["rex2", 2],
] as const;
type Dimension = (typeof DIMENSIONS)[number][0];
export type Accept = Record<Dimension, number>;

export interface Row {
  line: number;
  /** Index into `PAGES`. */
  page: number;
  opcodes: number[];
  accept: Accept;
  mnemonic: string;
  operands: string[];
  attributes: string[];
}
export interface Form {
  accept: Accept;
  attributes: number;
}

/** One page of 256 opcodes for each opcode map: [encoding of instruction.ts, map]. 3DNow!'s opcodes are a page too. */
export const PAGES: readonly (readonly [encoding: number, map: number])[] = [
  [0, 0],
  [0, 1],
  [0, 2],
  [0, 3],
  [0, 15],
  [1, 1],
  [1, 2],
  [1, 3],
  [1, 5],
  [1, 7],
  [2, 1],
  [2, 2],
  [2, 3],
  [2, 4],
  [2, 5],
  [2, 6],
  [2, 7],
  [3, 8],
  [3, 9],
  [3, 10],
];
const ENCODINGS: Record<string, number> = { VEX: 1, EVEX: 2, XOP: 3 };
const MAPS: Record<string, number> = {
  "0F": 1,
  "0F38": 2,
  "0F3A": 3,
  M4: 4,
  M5: 5,
  M6: 6,
  M7: 7,
  M8: 8,
  M9: 9,
  MA: 10,
};
const PREFIXES: Record<string, number> = { NP: 1, "66": 2, F3: 4, F2: 8 };
/** By encoding (VEX and XOP, EVEX): sets of the four vector lengths. L'L = 11 is #UD even where L'L is ignored, but for {er}. */
const LENGTHS: Record<string, [number, number]> = {
  "128": [1, 1],
  "256": [2, 2],
  "512": [0, 4],
  x: [3, 7],
  y: [0, 6],
  LZ: [1, 1],
  LIG: [3, 7],
};

class RowError extends Error {}

const hex = (text: string): number => {
  if (!/^[0-9A-F]{2}$/.test(text)) throw new RowError(`not a byte: ${text}`);
  return parseInt(text, 16);
};
const prefixSet = (text: string): number =>
  text.split("+").reduce((set, name) => {
    const bit = PREFIXES[name];
    if (bit === undefined) throw new RowError(`unknown prefix ${name}`);
    return set | bit;
  }, 0);
export const rangeOf = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** `0,2-4` as a set of bits. */
const digitSet = (text: string): number =>
  text.split(",").reduce((set, part) => {
    const [first, last = first] = part.split("-").map(Number) as [number, number?];
    return rangeOf(first, last).reduce((bits, digit) => bits | (1 << digit), set);
  }, 0);

/** The opcode's own byte or bytes: `50+r`, `40..4F`, `C0`. */
function opcodeBytes(text: string): number[] {
  const plus = /^(..)\+r$/.exec(text);
  if (plus) return rangeOf(hex(plus[1]!), hex(plus[1]!) + 7);
  const range = /^(..)\.\.(..)$/.exec(text);
  if (range) return rangeOf(hex(range[1]!), hex(range[2]!));
  return [hex(text)];
}

/** What follows the opcode in the first field: `/3`, `C0`, `C0+i`, `C0..DF`, `11:rrr:000`. */
function restrictModrm(text: string, accept: Accept): void {
  if (text.startsWith("/")) {
    accept.reg = digitSet(text.slice(1));
    return;
  }
  accept.mod = MOD_REGISTER;
  if (text === "11:rrr:000") {
    accept.rm = 1;
    return;
  }
  const [first, last] = text.endsWith("+i")
    ? [hex(text.slice(0, 2)), hex(text.slice(0, 2)) + 7]
    : text.includes("..")
      ? [hex(text.slice(0, 2)), hex(text.slice(4))]
      : [hex(text), hex(text)];
  if (first < 0xc0) throw new RowError(`ModRM ${text} is no register form`);
  const bytes = rangeOf(first, last);
  accept.reg = bytes.reduce((set, byte) => set | (1 << ((byte >> 3) & 7)), 0);
  accept.rm = bytes.reduce((set, byte) => set | (1 << (byte & 7)), 0);
  const size = (set: number): number => rangeOf(0, 7).filter((bit) => set & (1 << bit)).length;
  if (size(accept.reg) * size(accept.rm) !== bytes.length) throw new RowError(`ModRM range ${text} is no rectangle`);
}

function parseOpcode(field: string, row: Row): void {
  const tokens = field.split(" ");
  const accept = row.accept;
  let encoding = 0;
  let map = 0;
  const dotted = /^(VEX|EVEX|XOP)\./.exec(tokens[0]!);
  if (dotted) {
    const [name, length, prefix, mapName, w = "WIG"] = tokens.shift()!.split(".") as [string, string, string, string];
    encoding = ENCODINGS[name]!;
    accept.length = LENGTHS[length]?.[encoding === 2 ? 1 : 0] ?? 0;
    if (accept.length === 0) throw new RowError(`unknown vector length ${length}`);
    accept.prefix = prefixSet(prefix);
    map = MAPS[mapName] ?? 0;
    accept.w = { W0: 1, W1: 2, WIG: 3 }[w] ?? 0;
    if (accept.w === 0) throw new RowError(`unknown W ${w}`);
  } else {
    if (tokens[0] === "REX2") {
      accept.rex2 = 2;
      tokens.shift();
    }
    if (
      tokens.length > 1 &&
      tokens[0]!.split("+").every((name) => name in PREFIXES) &&
      !/^F[23]$/.test(tokens.join(""))
    ) {
      accept.prefix = prefixSet(tokens.shift()!);
    }
    if (tokens[0] === "REX.W" || tokens[0] === "W0") accept.w = tokens.shift() === "W0" ? 1 : 2;
    const escape = /^0F( 38(?= )| 3A(?= )| 0F(?= ))?(?= )/.exec(tokens.join(" "))?.[0] ?? "";
    map = { "": 0, "0F": 1, "0F 38": 2, "0F 3A": 3, "0F 0F": 15 }[escape] ?? 0;
    tokens.splice(0, escape === "" ? 0 : escape.split(" ").length);
  }
  row.page = PAGES.findIndex(([e, m]) => e === encoding && m === map);
  if (row.page < 0) throw new RowError("unknown opcode map");
  row.opcodes = opcodeBytes(tokens.shift()!);
  if (tokens.length > 1) throw new RowError(`unexpected ${tokens[1]}`);
  if (tokens[0] !== undefined) restrictModrm(tokens[0], accept);
}

/** Ways of addressing that are in ModRM.rm, and what they leave of ModRM.mod. */
export const RM_OPERAND = /^(?:(Ke|E|W|Q)|(M|vm|sibmem)|(Kr|Tr|R|U|N|Fi))(?![A-Z])/;
export const REG_OPERAND = /^(Kg|Tg|[GVPCDS])[a-z]*$/;
export const VVVV_OPERAND = /^(Kh|Th|[HB])[a-z]*$/;

/** The operand without its role: `Ev+` is `Ev`. */
export const operandName = (operand: string): string => operand.replace(/[=+]$/, "");
export const isFixedRegister = (name: string): boolean => /^([re]?[A-D][LXH]|[DFGC]S|DX|CL|1|rAX|eAX)$/.test(name);

function parseRow(line: string, number: number): Row {
  const [opcode, text, attributes] = line.split(/\s{2,}/) as [string, string?, string?];
  if (!text) throw new RowError("no mnemonic");
  const [mnemonic, operands] = text.split(" ") as [string, string?];
  const row: Row = {
    line: number,
    page: -1,
    opcodes: [],
    accept: { prefix: 15, w: 3, length: 15, mod: MOD_ANY, reg: 255, rm: 255, rex2: 3 },
    mnemonic,
    operands: operands?.split(",") ?? [],
    attributes: attributes?.split(" ") ?? [],
  };
  parseOpcode(opcode, row);
  for (const operand of row.operands) {
    const name = operandName(operand);
    if (isFixedRegister(name)) continue;
    const rm = RM_OPERAND.exec(name);
    if (rm) {
      if (rm[2]) row.accept.mod &= MOD_MEMORY;
      if (rm[3]) row.accept.mod &= MOD_REGISTER;
      if (/^(vm|sibmem)/.test(name)) row.accept.rm = 1 << 4;
    } else if (!REG_OPERAND.test(name) && !VVVV_OPERAND.test(name) && !/^(L|I|J|O|X|Y|Z|A)[a-z]+$/.test(name)) {
      throw new RowError(`unknown operand ${operand}`);
    }
  }
  if (row.attributes.includes("norex2")) row.accept.rex2 = 1;
  if (row.attributes.includes("no66")) row.accept.length = 1;
  if (row.attributes.includes("anymod")) row.accept.mod = MOD_ANY;
  for (const [dimension] of DIMENSIONS) {
    if (row.accept[dimension] === 0) throw new RowError(`no ${dimension} is left`);
  }
  return row;
}

/** All rows, in order. */
export function parseOpcodes(): Row[] {
  return readFileSync(SOURCE, "utf8")
    .split("\n")
    .flatMap((line, index) => {
      if (line === "" || line.startsWith("#")) return [];
      try {
        return [parseRow(line, index + 1)];
      } catch (error) {
        if (error instanceof RowError) throw new RowError(`opcodes.txt:${index + 1}: ${error.message}: ${line}`);
        throw error;
      }
    });
}

const NAMED = /^([a-z][a-z0-9_]*)@(\S+)$/;

/** What one word behind `@` leaves of a state. */
function restrictState(word: string, accept: Accept): void {
  const restrict = (dimension: Dimension, bits: number): void => {
    accept[dimension] &= bits;
  };
  const numbered = /^(?:\/|rm)([0-7])$/.exec(word);
  if (word in PREFIXES) restrict("prefix", PREFIXES[word]!);
  else if (word === "W0" || word === "W1") restrict("w", word === "W0" ? 1 : 2);
  else if (word === "o32" || word === "o16") restrict("length", word === "o32" ? 1 : 2);
  else if (word === "mem" || word === "reg") restrict("mod", word === "mem" ? MOD_MEMORY : MOD_REGISTER);
  else if (numbered) restrict(word.startsWith("/") ? "reg" : "rm", 1 << Number(numbered[1]));
  else throw new RowError(`unknown state ${word}`);
}

/** A row's mnemonics, with the opcodes and states that each is for; first fit. Without `name@state` it is the row itself. */
export function namedParts(row: Row): { name: string; opcodes: number[]; accept: Accept }[] {
  const parts = row.attributes.flatMap((attribute) => {
    const [, name, states] = NAMED.exec(attribute) ?? [];
    if (name === undefined || states === undefined) return [];
    const accept = { ...row.accept };
    let opcodes = row.opcodes;
    for (const word of states.split(".")) {
      if (word.startsWith("op")) opcodes = [hex(word.slice(2))];
      else restrictState(word, accept);
    }
    return [{ name, opcodes, accept }];
  });
  return [...parts, { name: row.mnemonic, opcodes: row.opcodes, accept: row.accept }];
}

const overlap = (a: Accept, b: Accept): boolean => DIMENSIONS.every(([name]) => (a[name] & b[name]) !== 0);
const contains = (a: Accept, b: Accept): boolean => DIMENSIONS.every(([name]) => (b[name] & ~a[name]) === 0);

/** The union of two sets of states, when it is one: they differ in at most one dimension, or one contains the other. */
function union(a: Accept, b: Accept): Accept | null {
  if (contains(a, b)) return a;
  if (contains(b, a)) return b;
  const different = DIMENSIONS.filter(([name]) => a[name] !== b[name]).map(([name]) => name);
  if (different.length > 1) return null;
  const dimension = different[0]!;
  return { ...a, [dimension]: a[dimension] | b[dimension] };
}

/** Joins forms that say the same, without moving one across a form that says something else about a common state. */
function merge(forms: Form[]): Form[] {
  for (let changed = true; changed;) {
    changed = false;
    search: for (let i = 0; i < forms.length; i++) {
      for (let j = i + 1; j < forms.length; j++) {
        const [a, b] = [forms[i]!, forms[j]!];
        if (a.attributes !== b.attributes) continue;
        const between = forms.slice(i + 1, j);
        if (between.some((form) => form.attributes !== b.attributes && overlap(form.accept, b.accept))) continue;
        const accept = union(a.accept, b.accept);
        if (accept === null) continue;
        forms = forms.toSpliced(j, 1).toSpliced(i, 1, { accept, attributes: a.attributes });
        changed = true;
        break search;
      }
    }
  }
  return forms;
}

export function packAccept(accept: Accept): number {
  let bits = 0;
  let shift = 0;
  for (const [name, width] of DIMENSIONS) {
    bits |= accept[name] << shift;
    shift += width;
  }
  return bits >>> 0;
}
/** A list of forms in the table: number of its first form, and the forms. */
export interface List {
  start: number;
  forms: Form[];
}
/** Marks the last form of a list, in its second word. */
export const LAST_BIT = 31;

/**
 * The lists of all opcodes, by page * 256 + opcode, and the table that holds them: pairs of u32, accepted states and
 * attributes. Equal lists are stored once. Form 0 accepts nothing: it is the list of every opcode without rows.
 */
export function buildLists(
  rows: Row[],
  formsOf: (row: Row, opcode: number) => Form[],
): { lists: Map<number, List>; table: number[] } {
  const byOpcode = new Map<number, Form[]>();
  for (const row of rows) {
    for (const opcode of row.opcodes) {
      const key = row.page * 256 + opcode;
      byOpcode.set(key, [...(byOpcode.get(key) ?? []), ...formsOf(row, opcode)]);
    }
  }
  const table: number[] = [0, 2 ** LAST_BIT];
  const stored = new Map<string, number>();
  const lists = new Map<number, List>();
  for (const [key, list] of [...byOpcode].sort(([a], [b]) => a - b)) {
    const forms = merge(list);
    const words = forms.flatMap((form, i) => [
      packAccept(form.accept),
      form.attributes + (i === forms.length - 1 ? 2 ** LAST_BIT : 0),
    ]);
    const text = words.join(" ");
    const start = stored.get(text) ?? table.length / 2;
    if (!stored.has(text)) {
      stored.set(text, start);
      table.push(...words);
    }
    lists.set(key, { start, forms });
  }
  return { lists, table };
}
