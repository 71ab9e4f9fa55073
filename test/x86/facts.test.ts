// facts.ts against iced-x86's instruction information: registers, flags, memory, addresses, on every opcode map entry (a
// part of them) and on random byte strings.
//
// FLICKER_FACTS_STEP    every n-th opcode map entry (17)
// FLICKER_FACTS_COUNT   random byte strings (60,000)

import assert from "node:assert/strict";
import { before, test } from "node:test";
import {
  Code,
  Decoder,
  DecoderOptions,
  Instruction,
  InstructionInfoFactory,
  MemorySizeExt,
  Mnemonic,
  OpAccess,
  Register,
  RegisterExt,
  RflagsBits,
  type UsedMemory,
  type UsedRegister,
} from "iced-x86";
import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { FIELDS } from "./decoder-module.js";
import { hex } from "./iced-oracle.js";
import { opcodeMapEntries } from "./opcode-map-entries.js";
import { Random, fillRandomCode } from "./random-code.js";

const step = Number(process.env["FLICKER_FACTS_STEP"] ?? 17);
const randomCount = Number(process.env["FLICKER_FACTS_COUNT"] ?? 60_000);
const SLOT = 16;

/** What both say: sets of registers as numbers with one bit each, flags in the order of facts.ts. */
interface Facts {
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

interface Exception {
  name: string;
  reason: string;
  fields: (keyof Facts)[];
  mnemonics?: string[];
  applies?: (instruction: Instruction, ours: Facts, iced: Facts) => boolean;
}

const within = (small: number, large: number): boolean => (small & ~large) === 0;
/** Ours holds all that iced has, and more. */
const isMore = (ours: Facts, iced: Facts, fields: (keyof Facts)[]): boolean =>
  fields.every((field) => within(iced[field] as number, ours[field] as number));

const EXCEPTIONS: readonly Exception[] = [
  {
    name: "conditional moves",
    reason: "the old value may stay: ours counts it as read (bsf, bsr: SDM, undefined or unchanged; AMD: unchanged)",
    fields: ["registersRead"],
    applies: (instruction, ours, iced) =>
      /^(Cmov|Bsf|Bsr|Rdssp)/.test(Mnemonic[instruction.mnemonic]) && isMore(ours, iced, ["registersRead"]),
  },
  {
    name: "zeroing idioms",
    reason: "xor or sub of a register with itself does not depend on it; ours does not look",
    fields: ["registersRead", "vectorsRead"],
    applies: (instruction, ours, iced) =>
      /^(V?P?Xor|Sub|V?Psub|V?Pandn|V?Pcmp|Vx?or)/i.test(Mnemonic[instruction.mnemonic]) &&
      isMore(ours, iced, ["registersRead", "vectorsRead"]),
  },
  {
    name: "shifts by a count of zero",
    reason: "iced looks at the immediate: a count of 0 after masking changes no flag",
    fields: ["flagsRead", "flagsWritten"],
    applies: (instruction, ours, iced) =>
      /^(Rc[lr]|Ro[lr]|Sh[lr]d?|Sal|Sar)$/.test(Mnemonic[instruction.mnemonic]) &&
      isMore(ours, iced, ["flagsRead", "flagsWritten"]),
  },
  {
    name: "addresses that are not accessed",
    reason: "nop, ud0 and ud1 name an operand in memory: ours counts its address registers as read, as for lea",
    fields: ["registersRead"],
    applies: (instruction, ours, iced) =>
      /^(Nop|Reservednop|Ud0|Ud1)$/.test(Mnemonic[instruction.mnemonic]) && isMore(ours, iced, ["registersRead"]),
  },
  {
    name: "syscall",
    reason: "for a program the flags are the same after the call: sysret restores them from r11 (SDM, SYSRET)",
    fields: ["flagsRead", "flagsWritten"],
    mnemonics: ["Syscall"],
  },
  { name: "leave", reason: "pop reads and writes rsp in ours", fields: ["registersRead"], mnemonics: ["Leave"] },
  {
    name: "getsec",
    reason: "its leaf in eax decides: ours takes all (SDM volume 2, chapter 7)",
    fields: ["registersRead", "registersWritten"],
    mnemonics: ["Getsec", "Getsecq"],
  },
  {
    name: "cache line instructions",
    reason: "clflush, clwb and umonitor read no data; clzero writes 64 bytes at rax (APM volume 3)",
    fields: ["memory"],
    mnemonics: ["Clflush", "Clflushopt", "Clwb", "Umonitor", "Clzero", "Cldemote"],
  },
  {
    name: "enter with a nesting level",
    reason: "it copies frame pointers: reads memory; iced counts them only up to a level",
    fields: ["memory"],
    mnemonics: ["Enter"],
  },
  {
    name: "another machine's state",
    reason: "vmrun and skinit go on in another world: no manual lists registers of this one",
    fields: ["registersRead", "registersWritten", "flagsRead", "flagsWritten"],
    mnemonics: ["Vmrun", "Skinit"],
  },
  {
    name: "PadLock and pbndkb",
    reason: "inputs and counts as the makers' manuals have them; iced has fewer",
    fields: ["registersRead", "registersWritten", "memory"],
    applies: (instruction) => /^(X(store|crypt|sha)|Ccs|Montmul|Undoc|Pbndkb)/.test(Mnemonic[instruction.mnemonic]),
  },
  {
    name: "x87 state with 66",
    reason: "14 and 94 bytes instead of 28 and 108: ours gives the larger",
    fields: ["memorySize"],
    mnemonics: ["Fldenv", "Fnstenv", "Frstor", "Fnsave"],
  },
  {
    name: "insertq",
    reason: "APM volume 4: the rest of the low quadword stays, so the destination is read",
    fields: ["vectorsRead"],
    mnemonics: ["Insertq"],
  },
  {
    name: "blends with an opmask",
    reason: "the opmask selects and does not merge; ours counts the destination as read",
    fields: ["vectorsRead"],
    applies: (instruction, ours, iced) =>
      /^V(p?blendm)/i.test(Mnemonic[instruction.mnemonic]) && isMore(ours, iced, ["vectorsRead"]),
  },
];

interface FactsExports {
  memory: WebAssembly.Memory;
  codePointer(): number;
  factsPointer(): number;
  instructionPointer(): number;
  describeCode(size: number): number;
}
let engine: FactsExports;
let memory: DataView;
const factory = new InstructionInfoFactory();

before(async () => {
  const module = new WebAssembly.Module(Buffer.from(await compileAssemblyScript("test/x86/facts.as.ts")));
  const process: Record<string, () => never> = {};
  for (const { name } of WebAssembly.Module.imports(module)) {
    process[name] = () => {
      throw new Error(`describe called ${name}`);
    };
  }
  engine = (await WebAssembly.instantiate(module, { process })).exports as unknown as FactsExports;
  memory = new DataView(engine.memory.buffer);
});

/** With 67, addresses have 32 bits (SDM volume 1, 3.3.7). */
function addressWidth(bytes: Uint8Array): 32 | 64 {
  const at = bytes.findIndex(
    (byte) => ![0x66, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65].includes(byte) && (byte & 0xf0) !== 0x40,
  );
  return bytes[at] === 0x67 ? 32 : 64;
}

function addressText(base: string, index: string, scale: number, displacement: bigint, segment: string): string {
  return `${segment}${base}+${index}*${scale}+${displacement}`;
}

/** Facts of the instruction at the start of `bytes`; null when it is invalid or not known. */
function ourFacts(bytes: Uint8Array): (Facts & { length: number; hasOperand: boolean }) | null {
  const code = engine.codePointer();
  new Uint8Array(engine.memory.buffer).set(bytes, code);
  const length = engine.describeCode(bytes.length);
  if (length === 0) return null;
  const at = engine.factsPointer();
  const byte = (offset: number): number => memory.getUint8(at + offset);
  const word = (offset: number): number => memory.getUint32(at + offset, true);
  if (byte(35) === 0) return null;
  const field = (name: keyof typeof FIELDS): number => memory.getUint8(engine.instructionPointer() + FIELDS[name]);
  const dispAt = code + field("dispOffset");
  let displacement = 0n;
  if (field("dispSize") === 1) displacement = BigInt(memory.getInt8(dispAt) * byte(34));
  if (field("dispSize") === 8) displacement = memory.getBigUint64(dispAt, true);
  if (field("dispSize") === 4) displacement = BigInt(memory.getInt32(dispAt, true));
  // iced adds the instruction pointer to the displacement: decode-iced.test.ts compares these.
  if (field("ripRelative")) displacement = 0n;
  const name = (number: number): string => (number === 0xff ? "none" : number === 0xfe ? "rip" : `r${number}`);
  return {
    length,
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
    memorySize: memory.getUint16(at + 36, true),
    address: addressText(
      name(byte(29)),
      name(byte(30)),
      byte(31),
      BigInt.asUintN(addressWidth(bytes), displacement),
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

/** iced's flags in the order o s z a p c d. */
function flagBits(rflags: number): number {
  const order = [
    RflagsBits.OF,
    RflagsBits.SF,
    RflagsBits.ZF,
    RflagsBits.AF,
    RflagsBits.PF,
    RflagsBits.CF,
    RflagsBits.DF,
  ];
  return order.reduce((set, flag, i) => set | (rflags & (flag as number) ? 1 << i : 0), 0);
}

function icedAddress(instruction: Instruction, width: 32 | 64): string {
  const name = (register: Register): string => {
    if (register === Register.None) return "none";
    return register === Register.RIP || register === Register.EIP ? "rip" : `r${RegisterExt.number(register)}`;
  };
  const { memoryBase, memoryIndex, memoryIndexScale, memorySegment } = instruction;
  const isRip = memoryBase === Register.RIP || memoryBase === Register.EIP;
  const segment = memorySegment === Register.FS ? "fs:" : memorySegment === Register.GS ? "gs:" : "";
  const displacement = isRip ? 0n : instruction.memoryDisplacement;
  return addressText(
    name(memoryBase),
    name(memoryIndex),
    memoryIndexScale,
    BigInt.asUintN(width, displacement),
    segment,
  );
}

function icedFacts(instruction: Instruction, width: 32 | 64): Facts {
  const info = factory.info(instruction);
  const sets = { general: [0, 0], vector: [0, 0], opmask: [0, 0] };
  for (const used of info.usedRegisters() as UsedRegister[]) {
    const bits = accessBits(used.access);
    const { register } = used;
    const set = RegisterExt.isGPR(register)
      ? sets.general
      : RegisterExt.isVectorRegister(register)
        ? sets.vector
        : RegisterExt.isK(register)
          ? sets.opmask
          : null;
    const bit = 1 << RegisterExt.number(RegisterExt.fullRegister(register));
    if (set && bits & 1) set[0]! |= bit;
    if (set && bits & 2) set[1]! |= bit;
    used.free();
  }
  let access = 0;
  for (const used of info.usedMemory() as UsedMemory[]) {
    access |= accessBits(used.access);
    used.free();
  }
  info.free();
  return {
    registersRead: sets.general[0]! >>> 0,
    registersWritten: sets.general[1]! >>> 0,
    vectorsRead: sets.vector[0]! >>> 0,
    vectorsWritten: sets.vector[1]! >>> 0,
    opmasksRead: sets.opmask[0]!,
    opmasksWritten: sets.opmask[1]!,
    flagsRead: flagBits(instruction.rflagsRead),
    flagsWritten: flagBits(instruction.rflagsModified),
    memory: access,
    memorySize: MemorySizeExt.size(instruction.memorySize),
    address: icedAddress(instruction, width),
  };
}

/** Compares the instructions at the start of each slot. Gives how many there were. */
function compareSlots(code: Uint8Array, context: string, seen: Map<string, number>): number {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  const instruction = new Instruction();
  let compared = 0;
  for (let at = 0; at < code.length; at += SLOT) {
    decoder.position = at;
    decoder.decodeOut(instruction);
    const bytes = code.subarray(at, at + 15);
    const ours = instruction.code === Code.INVALID ? null : ourFacts(bytes);
    if (!ours || ours.length !== instruction.length) continue;
    compared++;
    const iced = icedFacts(instruction, addressWidth(bytes));
    for (const field of Object.keys(iced) as (keyof Facts)[]) {
      if (ours[field] === iced[field]) continue;
      if ((field === "memorySize" || field === "address") && !ours.hasOperand) continue;
      const name = Mnemonic[instruction.mnemonic];
      const exception = EXCEPTIONS.find(
        ({ fields, mnemonics, applies }) =>
          fields.includes(field) && (mnemonics?.includes(name) ?? true) && (applies?.(instruction, ours, iced) ?? true),
      );
      if (!exception) {
        assert.fail(
          `${context}: ${hex(bytes.subarray(0, ours.length))} ${name}: ${field}: ${ours[field]}, iced ${iced[field]}`,
        );
      }
      seen.set(exception.name, (seen.get(exception.name) ?? 0) + 1);
    }
  }
  instruction.free();
  decoder.free();
  return compared;
}

const report = (seen: Map<string, number>): string => [...seen].map(([name, count]) => `${name} ${count}`).join(", ");

test("every opcode map entry: facts agree with iced", (t) => {
  const seen = new Map<string, number>();
  const code = new Uint8Array(SLOT * 1000);
  let [used, number, compared] = [0, 0, 0];
  for (const start of opcodeMapEntries()) {
    if (number++ % step !== 0) continue;
    code.fill(0x24, used, used + SLOT).set(start, used);
    used += SLOT;
    if (used < code.length) continue;
    compared += compareSlots(code, "opcode maps", seen);
    used = 0;
  }
  compared += compareSlots(code.subarray(0, used), "opcode maps", seen);
  t.diagnostic(`${compared} instructions; exceptions: ${report(seen)}`);
});

test("random byte strings: facts agree with iced", (t) => {
  const seed = 7;
  const random = new Random(seed);
  const seen = new Map<string, number>();
  const code = new Uint8Array(SLOT * 1000);
  let compared = 0;
  for (let done = 0; done < randomCount; done += code.length / SLOT) {
    for (let at = 0; at < code.length; at += SLOT) fillRandomCode(random, code.subarray(at, at + SLOT));
    compared += compareSlots(code, `seed ${seed}`, seen);
  }
  t.diagnostic(`${compared} instructions; exceptions: ${report(seen)}`);
  assert.ok(compared > randomCount / 5);
});

test("registers of which a part stays", () => {
  const partly = (text: string): number => {
    assert.ok(ourFacts(Uint8Array.from(text.split(" "), (byte) => parseInt(byte, 16))), text);
    return memory.getUint32(engine.factsPointer() + 8, true);
  };
  const [rax, rcx, rdx] = [1, 2, 4];
  assert.equal(partly("88 c4"), rax); // mov %al,%ah
  assert.equal(partly("40 88 c4"), 1 << 4); // mov %al,%spl
  assert.equal(partly("66 89 c1"), rcx); // mov %ax,%cx
  assert.equal(partly("89 c1"), 0); // mov %eax,%ecx: the upper half becomes 0
  assert.equal(partly("66 48 89 c1"), 0); // mov %rax,%rcx
  assert.equal(partly("0f 94 c2"), rdx); // sete %dl
  assert.equal(partly("66 50"), 0); // push %ax: rsp is whole
  assert.equal(partly("66 58"), rax); // pop %ax
  assert.equal(partly("f6 e1"), rax); // mul %cl
  assert.equal(partly("66 f7 e1"), rax | rdx); // mul %cx
  assert.equal(partly("f7 e1"), 0); // mul %ecx
  assert.equal(partly("9f"), rax); // lahf
  assert.equal(partly("66 98"), rax); // cbtw
  assert.equal(partly("48 98"), 0); // cltq
  assert.equal(partly("f3 48 0f b8 c1"), 0); // popcnt %rcx,%rax
  assert.equal(partly("66 f3 0f b8 c1"), rax); // popcnt %cx,%ax
});
