// Reads src/engine/x86/opcodes.txt and writes what the decoder looks up: src/engine/x86/opcode-tables.ts.
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
//
// `node --import tsx tools/gen-opcodes.ts` rewrites the tables; test/x86/opcode-tables.test.ts compares.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";

const x86Folder = join(dirname(fileURLToPath(import.meta.url)), "../src/engine/x86");
const SOURCE = join(x86Folder, "opcodes.txt");
const TABLES = join(x86Folder, "opcode-tables.ts");

const MOD_MEMORY = 1;
const MOD_REGISTER = 2;
const MOD_ANY = MOD_MEMORY | MOD_REGISTER;

/** Dimensions of a state, in order: name, width in bits. */
const DIMENSIONS = [
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

/** How many bytes follow the operands: numbered as in `IMMEDIATE_SIZE` of the generated tables. */
const IMMEDIATES = ["", "Ib", "Iw", "Iz", "Iv", "Id", "Iq", "O", "Iw,Ib", "Ib,Ib"];
/** [32-bit operand size, 16-bit (66 without W), 64-bit (W)], then the second immediate. O is the displacement's business. */
const IMMEDIATE_SIZES: Record<string, [number, number, number, number]> = {
  "": [0, 0, 0, 0],
  Ib: [1, 1, 1, 0],
  Iw: [2, 2, 2, 0],
  Iz: [4, 2, 4, 0],
  Iv: [4, 2, 8, 0],
  Id: [4, 4, 4, 0],
  Iq: [8, 8, 8, 0],
  O: [0, 0, 0, 0],
  "Iw,Ib": [2, 2, 2, 1],
  "Ib,Ib": [1, 1, 1, 1],
};

/** In the numbering of FLOW_ in instruction.ts. */
const FLOWS = [
  "next",
  "jmp",
  "jcc",
  "loop",
  "call",
  "jmpi",
  "calli",
  "ret",
  "syscall",
  "int",
  "xbegin",
  "stop",
  "sysenter",
];

/** Bits of a form's attributes above the immediate (bits 0..3) and the flow (bits 4..7). */
export const ATTRIBUTES = {
  MODRM: [8, "a ModRM byte follows the opcode"],
  LOCK: [9, "LOCK is allowed when the operand is in memory"],
  ANY_MOD: [10, "ModRM.mod is ignored: no SIB, no displacement"],
  VVVV: [11, "VEX.vvvv names an operand; without, it must be 1111"],
  MASK: [12, "EVEX.aaa may name an opmask"],
  ZEROING: [13, "EVEX.z is allowed, with an opmask"],
  BROADCAST: [14, "EVEX.b is allowed with a memory operand"],
  ROUNDING: [15, "EVEX.b is allowed with register operands: {er} or {sae}"],
  VSIB: [16, "the index is a vector register: V' extends it"],
  MASK_REQUIRED: [17, "EVEX.aaa must not be 0"],
  REG_LOW: [18, "reg is an opmask, tile, debug register: only 0..7 exist"],
  VVVV_LOW: [19, "vvvv is an opmask or tile: only 0..7 exist"],
  RM_LOW: [20, "rm is a tile: only 0..7 exist"],
  DISTINCT_GATHER: [21, "destination, index and mask are different registers"],
  DISTINCT_TILES: [22, "reg, rm and vvvv are different"],
  DISTINCT_DESTINATION: [23, "reg differs from vvvv and rm"],
  APX: [24, "a legacy instruction in EVEX: vvvv, b, aaa are APX's NDD, ND, NF"],
  RM_GENERAL: [25, "rm is a general register: B4 extends it"],
  APX_VEX: [26, "a VEX instruction in EVEX: aaa is APX's NF"],
  APX_SCC: [27, "V'aaa is APX's source condition"],
} as const satisfies Record<string, readonly [number, string]>;
/** Marks the last form of a list. */
const LAST_BIT = 31;

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
interface Form {
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
const rangeOf = (first: number, last: number): number[] =>
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
const RM_OPERAND = /^(?:(Ke|E|W|Q)|(M|vm|sibmem)|(Kr|Tr|R|U|N|Fi))(?![A-Z])/;
const REG_OPERAND = /^(Kg|Tg|[GVPCDS])[a-z]*$/;
const VVVV_OPERAND = /^(Kh|Th|[HB])[a-z]*$/;

/** The operand without its role: `Ev+` is `Ev`. */
export const operandName = (operand: string): string => operand.replace(/[=+]$/, "");
const isFixedRegister = (name: string): boolean => /^([re]?[A-D][LXH]|[DFGC]S|DX|CL|1|rAX|eAX)$/.test(name);

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
export function parseOpcodes(text: string): Row[] {
  return text.split("\n").flatMap((line, index) => {
    if (line === "" || line.startsWith("#")) return [];
    try {
      return [parseRow(line, index + 1)];
    } catch (error) {
      if (error instanceof RowError) throw new RowError(`opcodes.txt:${index + 1}: ${error.message}: ${line}`);
      throw error;
    }
  });
}

function immediateOf(row: Row): string {
  const f64 = row.attributes.includes("f64");
  const immediates = row.operands.flatMap((operand) => {
    switch (operandName(operand)) {
      case "Ib":
      case "Jb":
        return ["Ib"];
      case "Jz":
        return [f64 ? "Id" : "Iz"];
      case "Aq":
        return ["Iq"];
      case "Iw":
      case "Iz":
      case "Iv":
      case "Id":
        return [operand];
      default:
        return /^O[a-z]/.test(operand) ? ["O"] : /^L[a-z]/.test(operand) ? ["Ib"] : [];
    }
  });
  const name = immediates.join(",");
  if (!IMMEDIATES.includes(name)) throw new Error(`opcodes.txt:${row.line}: immediates ${name}`);
  return name;
}

/** Forms of a row: two where register and memory destination differ in what EVEX.z may do. */
function formsOf(row: Row): Form[] {
  const has = (name: string): boolean => row.attributes.includes(name);
  const names = row.operands.map(operandName);
  const rmName = names.find((name) => !isFixedRegister(name) && RM_OPERAND.test(name));
  let attributes = IMMEDIATES.indexOf(immediateOf(row));
  const flow = row.attributes.find((name) => name.startsWith("flow="))?.slice(5) ?? "next";
  if (!FLOWS.includes(flow)) throw new Error(`opcodes.txt:${row.line}: unknown flow ${flow}`);
  attributes |= FLOWS.indexOf(flow) << 4;
  const set = (name: keyof typeof ATTRIBUTES, condition: boolean): void => {
    if (condition) attributes |= 1 << ATTRIBUTES[name][0];
  };
  const legacy = PAGES[row.page]![0] === 0;
  const modrmRestricted = row.accept.mod !== MOD_ANY || row.accept.reg !== 255 || row.accept.rm !== 255;
  const hasModrm =
    modrmRestricted ||
    names.some((name) => !isFixedRegister(name) && (RM_OPERAND.test(name) || REG_OPERAND.test(name)));
  set("MODRM", hasModrm);
  set("LOCK", has("lock"));
  set("ANY_MOD", has("anymod"));
  set("REG_LOW", has("low"));
  if (!legacy) {
    const vsib = names.some((name) => name.startsWith("vm"));
    set(
      "VVVV",
      names.some((name) => VVVV_OPERAND.test(name)),
    );
    set("MASK", has("k") || has("kz") || has("k!"));
    set("ZEROING", has("kz"));
    set("BROADCAST", has("bc2") || has("bc4") || has("bc8"));
    set("ROUNDING", has("er") || has("sae"));
    set("VSIB", vsib);
    set("MASK_REQUIRED", has("k!"));
    set("REG_LOW", has("low") || names.some((name) => /^[KT]g/.test(name)));
    set(
      "VVVV_LOW",
      names.some((name) => /^[KT]h/.test(name)),
    );
    set(
      "RM_LOW",
      names.some((name) => /^Tr/.test(name)),
    );
    set("DISTINCT_GATHER", has("distinct") && vsib);
    set("DISTINCT_TILES", has("distinct") && names.includes("Th"));
    set("DISTINCT_DESTINATION", has("distinct") && !vsib && !names.includes("Th"));
    set("APX", has("apx"));
    set("APX_VEX", has("apxvex"));
    set("APX_SCC", has("scc"));
    set("RM_GENERAL", rmName !== undefined && /^[ER]/.test(rmName));
  }
  attributes >>>= 0;
  const memoryDestination = rmName !== undefined && names[0] === rmName && has("kz");
  if (!memoryDestination) return [{ accept: row.accept, attributes }];
  const zeroing = 1 << ATTRIBUTES.ZEROING[0];
  return [
    { accept: { ...row.accept, mod: row.accept.mod & MOD_MEMORY }, attributes: (attributes & ~zeroing) >>> 0 },
    { accept: { ...row.accept, mod: row.accept.mod & MOD_REGISTER }, attributes },
  ].filter((form) => form.accept.mod !== 0);
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

function packAccept(accept: Accept): number {
  let bits = 0;
  let shift = 0;
  for (const [name, width] of DIMENSIONS) {
    bits |= accept[name] << shift;
    shift += width;
  }
  return bits >>> 0;
}
const ACCEPTS_ALL = 2 ** 30 - 1;
/** All but REX2: the decoder does not look at the forms of a uniform opcode when there is no REX2. */
const ACCEPTS_ALL_BUT_REX2 = ACCEPTS_ALL - 2 ** 29;

const INDEX_UNIFORM = 0x8000;
const INDEX_MODRM = 0x4000;

interface Tables {
  index: number[];
  forms: number[];
}

function buildTables(rows: Row[]): Tables {
  const byOpcode = new Map<number, Form[]>();
  for (const row of rows) {
    for (const opcode of row.opcodes) {
      const key = row.page * 256 + opcode;
      byOpcode.set(key, [...(byOpcode.get(key) ?? []), ...formsOf(row)]);
    }
  }
  const modrmBit = 1 << ATTRIBUTES.MODRM[0];
  const index = new Array<number>(PAGES.length * 256).fill(0);
  // Form 0 accepts nothing and is the whole list of every opcode without rows.
  const forms: number[] = [0, 2 ** LAST_BIT];
  const stored = new Map<string, number>();
  for (const [key, list] of [...byOpcode].sort(([a], [b]) => a - b)) {
    const merged = merge(list);
    const modrm = merged[0]!.attributes & modrmBit;
    if (merged.some((form) => (form.attributes & modrmBit) !== modrm)) {
      throw new Error(`opcode ${key.toString(16)}: rows disagree on whether there is a ModRM byte`);
    }
    const words = merged.flatMap((form, i) => [
      packAccept(form.accept),
      form.attributes + (i === merged.length - 1 ? 2 ** LAST_BIT : 0),
    ]);
    const text = words.join(" ");
    let at = stored.get(text);
    if (at === undefined) {
      at = forms.length / 2;
      stored.set(text, at);
      forms.push(...words);
    }
    if (at >= INDEX_MODRM) throw new Error("too many forms for the index");
    const uniform = (words[0]! & ACCEPTS_ALL_BUT_REX2) >>> 0 === ACCEPTS_ALL_BUT_REX2;
    index[key] = at | (uniform ? INDEX_UNIFORM : 0) | (modrm ? INDEX_MODRM : 0);
  }
  return { index, forms };
}

/** [encoding << 4 | map] to page, 0xff where there is none. */
function pageTable(): number[] {
  const table = new Array<number>(64).fill(0xff);
  PAGES.forEach(([encoding, map], page) => (table[(encoding << 4) | map] = page));
  return table;
}

/** ModRM to: size of the displacement (bits 0..2), a SIB byte follows (bit 3), disp32(%rip) (bit 4). SDM table 2-2, 2-7. */
function modrmTable(): number[] {
  return rangeOf(0, 255).map((modrm) => {
    const mod = modrm >> 6;
    const rm = modrm & 7;
    if (mod === 3) return 0;
    const sib = rm === 4 ? 8 : 0;
    if (mod === 0) return rm === 5 ? 4 | 16 : sib;
    return (mod === 1 ? 1 : 4) | sib;
  });
}

/** First byte to its bit of `Instruction.prefixes`; 0x8000 is REX, 0 no prefix. */
function prefixTable(): number[] {
  const table = new Array<number>(256).fill(0);
  [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65].forEach((byte, bit) => (table[byte] = 1 << bit));
  for (const byte of rangeOf(0x40, 0x4f)) table[byte] = 0x8000;
  return table;
}

const data = (name: string, comment: string, type: string, values: number[]): string =>
  `/** ${comment} */\nexport const ${name} = memory.data<${type}>([${values.join(", ")}]);\n`;

/** The text of src/engine/x86/opcode-tables.ts. */
export async function generateTables(): Promise<string> {
  const { index, forms } = buildTables(parseOpcodes(readFileSync(SOURCE, "utf8")));
  const constants = Object.entries(ATTRIBUTES)
    .map(([name, [bit, comment]]) => `/** ${comment} */\nexport const ATTRIBUTE_${name}: u32 = 1 << ${bit};`)
    .join("\n");
  const accept = ["prefix", "w", "length", "mod", "reg", "rm", "rex2"];
  const shifts = accept.map((name, i) => {
    const shift = DIMENSIONS.slice(0, i).reduce((sum, [, width]) => sum + width, 0);
    return `export const ACCEPT_${name.toUpperCase()}_SHIFT: u32 = ${shift};`;
  });
  const text = [
    "// Generated from x86/opcodes.txt by tools/gen-opcodes.ts. Do not edit.",
    "",
    shifts.join("\n"),
    "",
    constants,
    `/** The last form of a list. */\nexport const ATTRIBUTE_LAST: u32 = 1 << ${LAST_BIT};`,
    `export const IMMEDIATE_MOFFS: u32 = ${IMMEDIATES.indexOf("O")};`,
    "",
    data("PAGE_OF_MAP", "encoding << 4 | map -> page of OPCODE_INDEX, or 0xff.", "u8", pageTable()),
    data("PREFIX_OF_BYTE", "Byte -> its bit of `prefixes`; 0x8000 for REX; 0 for no prefix.", "u16", prefixTable()),
    data("MODRM_SHAPE", "ModRM -> displacement size, 8: SIB, 16: RIP-relative.", "u8", modrmTable()),
    data(
      "IMMEDIATE_SIZE",
      "Immediate kind * 4 + operand size (32, 16, 64 bits) -> size; + 3 -> size of the second immediate.",
      "u8",
      IMMEDIATES.flatMap((name) => IMMEDIATE_SIZES[name]!),
    ),
    `/** In OPCODE_INDEX: the first form accepts everything but, perhaps, REX2. */\nexport const INDEX_UNIFORM: u32 = ${INDEX_UNIFORM};`,
    `/** In OPCODE_INDEX: a ModRM byte follows. */\nexport const INDEX_MODRM: u32 = ${INDEX_MODRM};`,
    "/** In OPCODE_INDEX: number of the first form. */\nexport const INDEX_FORM: u32 = INDEX_MODRM - 1;",
    "",
    data("OPCODE_INDEX", "page * 256 + opcode -> first form and flags.", "u16", index),
    data("FORMS", "Pairs of u32: accepted states, attributes.", "u32", forms),
  ].join("\n");
  return format(text, { parser: "typescript", printWidth: 120 });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TABLES, await generateTables());
export { TABLES };
