// Reads src/engine/x86/opcodes.txt and writes what the decoder looks up: src/engine/x86/opcode-tables.ts.
//
// tools/opcode-rows.ts reads the rows and explains how they become lists of forms; this file says what a form is for the
// decoder: an immediate kind, a flow, and the ATTRIBUTES.
//
// `node --import tsx tools/gen-opcodes.ts` rewrites the tables; test/x86/opcode-tables.test.ts compares.

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import {
  type Form,
  type Row,
  DIMENSIONS,
  LAST_BIT,
  MOD_ANY,
  MOD_MEMORY,
  MOD_REGISTER,
  PAGES,
  REG_OPERAND,
  RM_OPERAND,
  VVVV_OPERAND,
  buildLists,
  isFixedRegister,
  operandName,
  packAccept,
  parseOpcodes,
  rangeOf,
} from "./opcode-rows.js";

const x86Folder = join(dirname(fileURLToPath(import.meta.url)), "../src/engine/x86");
const TABLES = join(x86Folder, "opcode-tables.ts");

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
  APX: [
    24,
    "a legacy instruction in EVEX: vvvv, b, aaa are APX's NDD, ND, NF; VVVV: b may be ND, ROUNDING: it may be ZU",
  ],
  RM_GENERAL: [25, "rm is a general register: B4 extends it"],
  APX_VEX: [26, "a VEX instruction in EVEX"],
  APX_SCC: [27, "V'aaa is APX's source condition"],
  APX_NF: [28, "aaa may be APX's NF 0 0"],
  APX_ND_REQUIRED: [29, "b has to be APX's ND"],
} as const satisfies Record<string, readonly [number, string]>;

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
    set("VVVV", names.some((name) => VVVV_OPERAND.test(name)) || has("nd") || has("nd!"));
    set("MASK", has("k") || has("kz") || has("k!"));
    set("ZEROING", has("kz"));
    set("BROADCAST", has("bc2") || has("bc4") || has("bc8"));
    set("ROUNDING", has("er") || has("sae") || has("zu"));
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
    set("APX_NF", has("nf"));
    set("APX_ND_REQUIRED", has("nd!"));
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

const ACCEPTS_ALL = 2 ** 30 - 1;
/** All but REX2: the decoder does not look at the forms of a uniform opcode when there is no REX2. */
const ACCEPTS_ALL_BUT_REX2 = ACCEPTS_ALL - 2 ** 29;

const INDEX_UNIFORM = 0x8000;
const INDEX_MODRM = 0x4000;

function buildTables(rows: Row[]): { index: number[]; table: number[] } {
  const { lists, table } = buildLists(rows, formsOf);
  const modrmBit = 1 << ATTRIBUTES.MODRM[0];
  const index = new Array<number>(PAGES.length * 256).fill(0);
  for (const [key, { start, forms }] of lists) {
    const modrm = forms[0]!.attributes & modrmBit;
    if (forms.some((form) => (form.attributes & modrmBit) !== modrm)) {
      throw new Error(`opcode ${key.toString(16)}: rows disagree on whether there is a ModRM byte`);
    }
    if (start >= INDEX_MODRM) throw new Error("too many forms for the index");
    const uniform = (packAccept(forms[0]!.accept) & ACCEPTS_ALL_BUT_REX2) >>> 0 === ACCEPTS_ALL_BUT_REX2;
    index[key] = start | (uniform ? INDEX_UNIFORM : 0) | (modrm ? INDEX_MODRM : 0);
  }
  return { index, table };
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
  const { index, table } = buildTables(parseOpcodes());
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
    data("FORMS", "Pairs of u32: accepted states, attributes.", "u32", table),
  ].join("\n");
  return format(text, { parser: "typescript", printWidth: 120 });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TABLES, await generateTables());
export { TABLES };
