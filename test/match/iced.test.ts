// Every name of the language against iced-x86, on code of local programs: the engine decodes and fills the record, the
// expression's wasm answers, and iced is asked the same in its own words. Needs dist/engine.wasm, as `flicker inspect` does.
//
// FLICKER_TEXT_BYTES   at most so much of each program's code (60,000 in pieces spread over it; long: 4 MB)

import assert from "node:assert/strict";
import {
  Code,
  Decoder,
  DecoderOptions,
  EncodingKind,
  FlowControl,
  Instruction,
  InstructionInfoFactory,
  MemorySizeExt,
  Mnemonic,
  OpKind,
  Register,
  RegisterExt,
  type UsedRegister,
} from "iced-x86";
import { before, test } from "node:test";
import { RECORD_ADDRESS, RECORD_FIELDS_SIZE, RECORD_HAS, RECORD_SIZE } from "../../src/abi/instruction-record.js";
import { type Engine, instantiate } from "../../src/host/inspection.js";
import { packageRoot } from "../../src/host/package-root.js";
import { SimulatedProcess } from "../../src/host/simulated-process.js";
import { compileMatch } from "../../src/match/compile.js";
import { MNEMONICS } from "../../src/match/mnemonics.js";
import { MNEMONIC_ALIASES, NAMES } from "../../src/match/names.js";
import { ICED_FACTS } from "../x86/differences.js";
import { type FactName, type Facts, icedFacts } from "../x86/iced-facts.js";
import { codeSections, localBinaries } from "../x86/local-binaries.js";
import type { Fields } from "../x86/decoder-module.js";
import { opcodeMapEntries } from "../x86/opcode-map-entries.js";

const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;
const textBytes = Number(process.env["FLICKER_TEXT_BYTES"] ?? (isLong ? 4_000_000 : 60_000));
const NEEDS_ALL = 3;

/** What iced says about one instruction. */
interface Iced {
  readonly instruction: Instruction;
  readonly facts: Facts;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly usesVectors: boolean;
  readonly memoryBase: string | null;
}

let engine: Engine;
before(async () => {
  engine = await instantiate(packageRoot, new SimulatedProcess());
});

const factory = new InstructionInfoFactory();
const isStringName = /^(movs|cmps|stos|lods|scas|ins|outs)[bwdq]$/;
const isSimdRegister = (register: Register): boolean =>
  RegisterExt.isVectorRegister(register) || RegisterExt.isK(register) || RegisterExt.isMM(register);

function describe(instruction: Instruction, bytes: Uint8Array): Iced {
  const name = Mnemonic[instruction.mnemonic].toLowerCase();
  const fields = { prefixes: bytes.subarray(0, 4).includes(0x67) ? 2 : 0 } as Fields;
  const info = factory.info(instruction);
  let usesVectors = false;
  for (const used of info.usedRegisters() as UsedRegister[]) {
    usesVectors ||= isSimdRegister(used.register);
    used.free();
  }
  info.free();
  // xlat's address is no operand that ModRM spells.
  const hasOperand = Array.from({ length: instruction.opCount }, (_, i) => instruction.opKind(i)).includes(
    OpKind.Memory,
  );
  const memoryBase = hasOperand && name !== "xlatb" ? registerName(instruction.memoryBase) : null;
  return { instruction, facts: icedFacts(instruction, fields), name, bytes, usesVectors, memoryBase };
}

function registerName(register: Register): string {
  if (register === Register.None) return "none";
  if (register === Register.RIP || register === Register.EIP) return "rip";
  const full = RegisterExt.fullRegister(register);
  return Register[RegisterExt.isVectorRegister(register) ? register : full].toLowerCase();
}

const isConditional = ({ instruction }: Iced): boolean => instruction.flowControl === FlowControl.ConditionalBranch;
const isString = ({ instruction, name }: Iced): boolean => isStringName.test(name) && instruction.isStringInstruction;
const isX87 = ({ bytes }: Iced): boolean => {
  const at = bytes.findIndex((byte) => ![0x66, 0xf2, 0xf3, 0x2e, 0x3e, 0x26, 0x36, 0x64, 0x65, 0x67].includes(byte));
  const opcode = bytes[at]! >= 0x40 && bytes[at]! < 0x50 ? bytes[at + 1]! : bytes[at]!;
  return opcode >= 0xd8 && opcode <= 0xdf;
};
const NOPS = /^(nop|pause|reservednop|endbr(64|32)|prefetch.*|cldemote|rdssp[dq])$/;
const hasFlow =
  (...flows: FlowControl[]) =>
  (i: Iced): boolean =>
    flows.includes(i.instruction.flowControl);
/** The classes, in iced's words; null where the manuals leave it open (test/x86/differences.ts has the reasons). */
const CLASSES: Record<string, (i: Iced) => boolean | null> = {
  jump: hasFlow(FlowControl.UnconditionalBranch, FlowControl.ConditionalBranch, FlowControl.IndirectBranch),
  cond: isConditional,
  call: (i) => i.name === "call",
  ret: hasFlow(FlowControl.Return),
  indirect: hasFlow(FlowControl.IndirectBranch, FlowControl.IndirectCall),
  syscall: ({ name }) => name === "syscall",
  interrupt: hasFlow(FlowControl.Interrupt),
  load: ({ facts, name }) => (UNSETTLED.test(name) ? null : (facts.memory & 1) !== 0),
  store: ({ facts, name }) => (UNSETTLED.test(name) ? null : (facts.memory & 2) !== 0),
  stack: (i) =>
    UNSETTLED.test(i.name)
      ? null
      : i.instruction.isStackInstruction || (i.memoryBase === "rsp" && i.facts.memory !== 0),
  string: isString,
  atomic: (i) => i.instruction.hasLockPrefix || (i.name === "xchg" && i.memoryBase !== null),
  simd: ({ usesVectors, name }) => usesVectors || /^(emms|femms|vzero(all|upper))$/.test(name),
  x87: isX87,
  nop: ({ name }) => NOPS.test(name),
  lock: ({ instruction }) => instruction.hasLockPrefix,
  rep: (i) => isString(i) && (i.instruction.hasRepPrefix || i.instruction.hasRepnePrefix),
  vex: ({ instruction }) => [EncodingKind.VEX, EncodingKind.XOP].includes(instruction.encoding),
  evex: ({ instruction }) => instruction.encoding === EncodingKind.EVEX,
  pcrel: ({ instruction }) => instruction.isIpRelMemoryOperand,
  mem: ({ memoryBase }) => memoryBase !== null,
  "mem.read": (i) => memoryAccess(i, 1),
  "mem.write": (i) => memoryAccess(i, 2),
  known: () => true,
};
/** Instructions whose access to memory differs by manual. */
const UNSETTLED =
  /^(clflush|clflushopt|clwb|umonitor|clzero|cldemote|enter|xstore|xcrypt.*|xsha.*|ccs_.*|montmul|vmrun|skinit|prefetch.*|nop|reservednop)$/;

function memoryAccess(i: Iced, bit: 1 | 2): boolean | null {
  if (UNSETTLED.test(i.name)) return null;
  if (i.memoryBase === null) return false;
  // push and pop, call and ret access the stack besides.
  if (i.instruction.isStackInstruction) {
    if (i.name === "pop") return bit === 2;
    return bit === 1;
  }
  return (i.facts.memory & bit) !== 0;
}

const signed = (value: bigint): bigint => BigInt.asIntN(64, value);
function immediateOf({ instruction }: Iced): bigint | null | undefined {
  const kinds = Array.from({ length: instruction.opCount }, (_, i) => instruction.opKind(i));
  const at = kinds.findIndex((kind) => kind >= OpKind.Immediate8 && kind <= OpKind.Immediate32to64);
  if (at < 0) return null;
  const value = instruction.immediate(at);
  const bits = { [OpKind.Immediate8]: 8, [OpKind.Immediate16]: 16, [OpKind.Immediate32]: 32 }[kinds[at] as number];
  return bits === undefined ? signed(value) : BigInt.asIntN(bits, value);
}
function widthOf({ instruction }: Iced): bigint | null | undefined {
  if (instruction.opCount === 0) return undefined;
  const kind = instruction.opKind(0);
  if (kind === OpKind.Memory) return undefined;
  if (kind !== OpKind.Register || !RegisterExt.isGPR(instruction.opRegister(0))) return undefined;
  return BigInt(RegisterExt.size(instruction.opRegister(0)));
}

/** Numbers in iced's words; null: it has none; undefined: iced has no word for it. */
const NUMBERS: Record<string, (i: Iced) => bigint | null | undefined> = {
  size: ({ instruction }) => BigInt(instruction.length),
  opcode: ({ instruction }) => {
    const info = instruction.opCode;
    const op = info.opCode & (info.opCodeLength === 2 ? 0xffff : 0xff);
    const table = info.table as number;
    info.free();
    // Opcodes of two bytes have ModRM as their second.
    if (op > 0xff || table > 3) return undefined;
    // A register in the low three bits is part of the byte in the instruction, and not of iced's opcode.
    if (
      table === 0
        ? (op >= 0x50 && op < 0x60) || (op >= 0x90 && op < 0x98) || (op >= 0xb0 && op < 0xc0)
        : op >= 0xc8 && op < 0xd0 && table === 1
    )
      return undefined;
    return BigInt([0, 0x0f00, 0x0f3800, 0x0f3a00][table]! | op);
  },
  width: widthOf,
  address: ({ instruction }) => signed(instruction.ip),
  offset: ({ instruction }) => signed(instruction.ip) - 0x10000n,
  target: ({ instruction, name }) =>
    name === "xbegin" ||
    instruction.isJmpShortOrNear ||
    instruction.isJccShortOrNear ||
    instruction.isCallNear ||
    instruction.isLoop ||
    instruction.isLoopcc ||
    instruction.isJcxShort
      ? signed(instruction.nearBranchTarget)
      : null,
  imm: (i) =>
    /^(enter|extrq|insertq|ud0)$/.test(i.name) || hasRegisterInImmediate(i) || isOneByShift(i)
      ? undefined
      : immediateOf(i),
  "mem.scale": (i) => (i.memoryBase === null ? null : BigInt(i.instruction.memoryIndexScale)),
  "mem.disp": (i) => {
    if (i.memoryBase === null) return null;
    if (i.instruction.isIpRelMemoryOperand || i.facts.address.includes("rip")) return undefined;
    return i.instruction.memoryDisplSize === 8 || !i.bytes.includes(0x67)
      ? signed(i.instruction.memoryDisplacement)
      : undefined;
  },
  "mem.address": (i) => {
    const { instruction } = i;
    if (instruction.isIpRelMemoryOperand)
      return instruction.segmentPrefix >= Register.FS ? undefined : signed(instruction.ipRelMemoryAddress);
    if (i.memoryBase === "none" && instruction.memoryIndex === Register.None && i.facts.address.startsWith("none")) {
      return i.bytes.includes(0x67) ? undefined : signed(instruction.memoryDisplacement);
    }
    return null;
  },
  "mem.size": (i) => {
    if (UNSETTLED.test(i.name) || /^(fldenv|fnstenv|frstor|fnsave|lea|xsave.*|xrstor.*)$/.test(i.name))
      return undefined;
    if (i.memoryBase === null && !isString(i)) return undefined;
    return BigInt(MemorySizeExt.size(i.instruction.memorySize)) || null;
  },
};
/** The immediate byte names a register (is4 of the SDM): blendv and AMD's instructions with four operands. */
const hasRegisterInImmediate = ({ instruction, name }: Iced): boolean =>
  (instruction.opCount === 4 && /^v(p?blendv|f|pc|pperm|p?rot|pmac|pmad)/.test(name)) || name.startsWith("vpermil2");
/** `shl $1` of the opcodes d0 and d1: iced counts the 1 as an immediate. */
const isOneByShift = ({ bytes }: Iced): boolean => bytes.some((byte) => byte === 0xd0 || byte === 0xd1);

const REGISTERS: Record<string, (i: Iced) => string | null> = {
  "mem.base": ({ memoryBase }) => memoryBase,
  "mem.index": ({ memoryBase, instruction }) =>
    memoryBase === null ? null : registerName(instruction.memoryIndex).replace(/^[yz]mm/, "xmm"),
  "mem.segment": ({ memoryBase, instruction }) => {
    if (memoryBase === null) return null;
    const { memorySegment } = instruction;
    return memorySegment === Register.FS ? "fs" : memorySegment === Register.GS ? "gs" : "none";
  },
};

interface Matcher {
  readonly record: Uint8Array;
  match(): number;
}
function matcher(text: string): Matcher {
  const { wasm } = compileMatch(text, ["asm", "file", "function", "target.file", "target.function"]);
  const exports = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports as unknown as {
    memory: WebAssembly.Memory;
    match(): number;
  };
  return { record: new Uint8Array(exports.memory.buffer, RECORD_ADDRESS, RECORD_SIZE), match: () => exports.match() };
}
const matchers = new Map<string, Matcher>();
function asks(text: string, record: Uint8Array): boolean {
  let known = matchers.get(text);
  if (known === undefined) {
    known = matcher(text);
    matchers.set(text, known);
  }
  known.record.set(record);
  return known.match() !== 0;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** What iced says otherwise. */
const wrong: string[] = [];
/** How often each name held. */
const held = new Map<string, number>();
function check(text: string, record: Uint8Array, expected: boolean, i: Iced): void {
  const name = text.split(" ")[0]!;
  if (expected) held.set(name, (held.get(name) ?? 0) + 1);
  if (asks(text, record) !== expected) {
    wrong.push(`${hex(i.bytes)} ${i.instruction.toString()}: ${text} should ${expected ? "" : "not "}hold`);
  }
}

/** The facts in a record, as far as the names of registers and flags show them. */
function factsOf(record: Uint8Array, iced: Facts): Facts {
  const view = new DataView(record.buffer, record.byteOffset);
  return {
    registersRead: view.getUint32(0x40, true),
    registersWritten: view.getUint32(0x44, true),
    vectorsRead: view.getUint32(0x48, true),
    vectorsWritten: view.getUint32(0x4c, true),
    flagsRead: view.getUint8(0x5c),
    flagsWritten: view.getUint8(0x5d),
    opmasksRead: view.getUint8(0x5e),
    opmasksWritten: view.getUint8(0x5f),
    memory: iced.memory,
    memorySize: iced.memorySize,
    address: iced.address,
  };
}

/** Whether a fact differs for a reason that test/x86/differences.ts has. */
function isAllowed(fact: FactName, i: Iced, ours: Facts): boolean {
  const name = Mnemonic[i.instruction.mnemonic];
  return ICED_FACTS.some(
    ({ fields, mnemonics, applies }) =>
      fields.includes(fact) && (mnemonics?.includes(name) ?? true) && (applies?.(i.instruction, ours, i.facts) ?? true),
  );
}

function checkInstruction(i: Iced, record: Uint8Array): void {
  for (const [name, is] of Object.entries(CLASSES)) {
    const expected = is(i);
    if (expected !== null) check(name, record, expected, i);
  }
  for (const [name, of] of Object.entries(NUMBERS)) {
    const value = of(i);
    if (value === undefined) continue;
    if (value === null) {
      check(`${name} == ${name}`, record, false, i);
      continue;
    }
    if (asks(`${name} == ${name}`, record)) held.set(name, (held.get(name) ?? 0) + 1);
    if (!NumberAsker.of(name).equals(record, value))
      wrong.push(`${hex(i.bytes)} ${i.instruction.toString()}: ${name} is not ${value}`);
  }
  for (const [name, of] of Object.entries(REGISTERS)) {
    const register = of(i);
    if (register === null)
      check(`${name} in {${name === "mem.segment" ? "fs, gs" : "rax, rsp"}, none}`, record, false, i);
    else check(`${name} == ${register}`, record, true, i);
  }
  const alias = i.name === "reservednop" ? "nop" : i.name;
  if (i.name !== "jecxz") check(`mnemonic == ${alias}`, record, true, i);
  checkSets(i.facts, factsOf(record, i.facts), record, i);
}

const GENERAL = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
];
const FLAG_NAMES = ["of", "sf", "zf", "af", "pf", "cf", "df"];
function checkSets(facts: Facts, ours: Facts, record: Uint8Array, i: Iced): void {
  const bits = (set: string, names: readonly string[], fact: FactName): void => {
    const value = facts[fact] as number;
    if (ours[fact] !== value && isAllowed(fact, i, ours)) return;
    names.forEach((name, bit) => {
      const expected = ((value >>> bit) & 1) === 1;
      if (expected) held.set(set, (held.get(set) ?? 0) + 1);
      if (asks(`${name} in ${set}`, record) !== expected) {
        wrong.push(
          `${hex(i.bytes)} ${i.instruction.toString()}: ${name} in ${set} should ${expected ? "" : "not "}hold`,
        );
      }
    });
  };
  bits("reads", GENERAL, "registersRead");
  bits("writes", GENERAL, "registersWritten");
  const vectors = ["xmm0", "ymm1", "zmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"];
  bits("reads", vectors, "vectorsRead");
  bits("writes", vectors, "vectorsWritten");
  bits("reads", ["k0", "k1", "k2"], "opmasksRead");
  bits("writes", ["k0", "k1", "k2"], "opmasksWritten");
  bits("flags.reads", FLAG_NAMES, "flagsRead");
  bits("flags.writes", FLAG_NAMES, "flagsWritten");
}

/** Asks whether a number has a value without compiling an expression for each value: `imm` is put beside it. */
class NumberAsker {
  private static readonly known = new Map<string, NumberAsker>();
  private readonly asked: Matcher;
  private readonly view: DataView;
  static of(name: string): NumberAsker {
    let asker = NumberAsker.known.get(name);
    if (asker === undefined) NumberAsker.known.set(name, (asker = new NumberAsker(name)));
    return asker;
  }
  private readonly beside: string;
  private constructor(name: string) {
    this.beside = name === "offset" ? "address" : "offset";
    this.asked = matcher(`${name} == ${this.beside}`);
    this.view = new DataView(this.asked.record.buffer, RECORD_ADDRESS);
  }
  equals(record: Uint8Array, value: bigint): boolean {
    this.asked.record.set(record);
    this.view.setBigInt64(this.beside === "address" ? 0 : 8, value, true);
    this.view.setUint32(RECORD_HAS, this.view.getUint32(RECORD_HAS, true) | (this.beside === "address" ? 0 : 64), true);
    return this.asked.match() !== 0;
  }
}

/** Compares all different instructions of a piece of code. */
function compare(code: Uint8Array, seen: Set<string>): number {
  const memory = new Uint8Array(engine.memory.buffer);
  const address = 0x50000n;
  let compared = 0;
  const limit = Math.min(code.length, 4096);
  for (let start = 0; start < code.length; start += limit) {
    const piece = code.subarray(start, start + limit);
    memory.set(piece, engine.codeBuffer());
    const count = engine.describeCode(piece.length, address, address - 0x10000n, NEEDS_ALL);
    for (let n = 0; n < count; n++) {
      const at = engine.recordBuffer() + n * RECORD_FIELDS_SIZE;
      const record = memory.slice(at, at + RECORD_FIELDS_SIZE);
      const view = new DataView(record.buffer);
      const ip = view.getBigUint64(0, true);
      const bytes = piece.slice(Number(ip - address), Number(ip - address) + record[0x56]!);
      const key = hex(bytes);
      if (seen.has(key)) continue;
      seen.add(key);
      compared += compareOne(bytes, ip, record);
    }
  }
  return compared;
}

function compareOne(bytes: Uint8Array, ip: bigint, record: Uint8Array): number {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = ip;
  const instruction = decoder.decode();
  decoder.free();
  // What only one of both knows is test/x86's matter, and so are APX's forms, whose facts are not known.
  const isKnown = asks("known", record);
  if (instruction.code !== Code.INVALID && instruction.length === bytes.length && isKnown) {
    checkInstruction(describe(instruction, bytes), record);
    instruction.free();
    return 1;
  }
  instruction.free();
  return 0;
}

test("the tables of this test have every name", () => {
  const tested = [
    ...[CLASSES, NUMBERS, REGISTERS].flatMap((table) => Object.keys(table)),
    ...["reads", "writes", "flags.reads", "flags.writes", "mnemonic"],
  ];
  // Texts are the host's: test/match/language.test.ts, test/host/matching.test.ts.
  const texts = [...NAMES].filter(([, { kind }]) => kind === "text").map(([name]) => name);
  // `block` is no fact of an instruction alone: test/cover.
  texts.push("block");
  assert.deepEqual([...tested, ...texts].sort(), [...NAMES.keys()].sort());
});

test("programs: every name says what iced says", (t) => {
  const wanted = isLong ? /./ : /\/(bash|libc\.so.*|libm\.so.*|libcrypto\.so.*|libgmp\.so.*|ld-linux.*)$/;
  const files = localBinaries().present.filter((file) => wanted.test(file));
  assert.ok(files.length >= 2, "there is hardly a program to try the names on");
  const seen = new Set<string>();
  let compared = 0;
  for (const file of files) {
    for (const { bytes } of codeSections(file)) {
      const pieces = bytes.length <= textBytes ? [bytes] : spread(bytes);
      for (const piece of pieces) compared += compare(piece, seen);
    }
  }
  assert.deepEqual(wrong.slice(0, 30), [], `${wrong.length} differ`);
  t.diagnostic(`${files.length} programs, ${compared} different instructions`);
  t.diagnostic([...held].map(([name, count]) => `${name} ${count}`).join(", "));
  const never = [...NAMES.keys()].filter((name) => !held.has(name) && NAMES.get(name)!.kind !== "text");
  assert.deepEqual(
    never.filter((name) => !["interrupt", "known", "evex", "mem.segment", "block"].includes(name)),
    [],
    "names that never held",
  );
});

/** Ten pieces of a large section. */
function spread(bytes: Uint8Array): Uint8Array[] {
  const size = Math.floor(textBytes / 10);
  return Array.from({ length: 10 }, (_, i) => {
    const start = Math.floor(((bytes.length - size) / 9) * i);
    return bytes.subarray(start, start + size);
  });
}

test("every entry of every opcode map has the mnemonic that iced has", () => {
  const wrong: string[] = [];
  const names = new Set<string>();
  const memory = new Uint8Array(engine.memory.buffer);
  for (const entry of opcodeMapEntries()) {
    const bytes = Uint8Array.from([...entry, 0x24, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x08, 0x09]);
    memory.set(bytes, engine.codeBuffer());
    if (engine.describeCode(bytes.length, 0n, 0n, 1) === 0) continue;
    const record = engine.recordBuffer();
    const size = memory[record + 0x56]!;
    const number = memory[record + 0x50]! + 256 * memory[record + 0x51]!;
    const decoder = new Decoder(64, bytes, DecoderOptions.None);
    const instruction = decoder.decode();
    const isSame = instruction.code !== Code.INVALID && instruction.length === size;
    const theirs = Mnemonic[instruction.mnemonic].toLowerCase();
    instruction.free();
    decoder.free();
    if (!isSame || number === 0) continue;
    names.add(theirs);
    const ours = MNEMONICS[number]!;
    const meant = MNEMONIC_ALIASES.get(theirs)?.[0] ?? theirs;
    if (ours !== meant && !ALLOWED.has(`${ours} ${theirs}`))
      wrong.push(`${hex(bytes.subarray(0, size))}: ours ${ours}, iced ${theirs}`);
  }
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} differ`);
  assert.ok(names.size > 1000, `only ${names.size} mnemonics were seen`);
});

/** Ours, iced's: what is named otherwise on purpose. */
const ALLOWED = new Set(["nop reservednop", "nop endbr32", "montmul2 undoc", "xmodexp undoc", "xrng2 xstore_alt"]);
