// Oracle: iced-x86, a decoder that shares nothing with ours. Everything that both say about an instruction must agree;
// what they are known to see differently is listed in EXCEPTIONS, by name, with what the manuals say.

import { ConstantOffsets, Decoder, DecoderOptions, FlowControl, Code, Instruction } from "iced-x86";
import type { FieldName } from "./decoder-module.js";

export type Fields = Record<FieldName | "prefixes", number>;

/** What a decoder says, in the words that both have. null: invalid. */
export interface Verdict {
  length: number;
  disp: string;
  imm: string;
  imm2Size: number;
  ripRelative: boolean;
  flow: string;
}
type Aspect = keyof Verdict | "valid" | "invalid";

const FLOW_NAMES = [
  "next",
  "jump",
  "conditional",
  "conditional",
  "call",
  "jump",
  "indirect call",
  "return",
  "call",
  "interrupt",
  "xbegin",
  "stop",
  "sysenter",
];
const ICED_FLOW_NAMES: Record<number, string> = {
  [FlowControl.Next]: "next",
  [FlowControl.UnconditionalBranch]: "jump",
  [FlowControl.IndirectBranch]: "jump",
  [FlowControl.ConditionalBranch]: "conditional",
  [FlowControl.Return]: "return",
  [FlowControl.Call]: "call",
  [FlowControl.IndirectCall]: "indirect call",
  [FlowControl.Interrupt]: "interrupt",
  [FlowControl.XbeginXabortXend]: "xbegin",
  [FlowControl.Exception]: "stop",
};

const ENCODING_VEX = 1;
const ENCODING_EVEX = 2;
const ENCODING_XOP = 3;
const ENCODING_REX2 = 4;
const MAP_0F = 1;
const MAP_0F38 = 2;
const MAP_0F3A = 3;
const MAP_3DNOW = 15;

interface Exception {
  name: string;
  reason: string;
  aspects: Aspect[];
  /** `bytes` are the whole instruction as far as it is known; `fields` is null when our decoder calls it invalid. */
  applies(fields: Fields | null, bytes: Uint8Array): boolean;
}

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

export const EXCEPTIONS: readonly Exception[] = [
  {
    name: "is4",
    reason: "SDM volume 2, 5.1: a register in imm8[7:4] is an immediate byte; iced counts it as a register operand",
    aspects: ["imm"],
    applies: (fields) =>
      fields !== null &&
      ((fields.encoding === ENCODING_VEX && fields.map === MAP_0F3A && IS4_OPCODES.includes(fields.opcode)) ||
        (fields.encoding === ENCODING_XOP && fields.map === 8 && fields.opcode < 0xc0)),
  },
  {
    name: "hlt",
    reason: "hlt faults outside of the kernel: control does not go on; iced has it as an ordinary instruction",
    aspects: ["flow"],
    applies: (fields) => legacyOpcode(fields, 0, 0xf4),
  },
  {
    name: "sysenter, sysexit, sysret",
    reason: "one kind of our own, FLOW_SYSENTER; iced says call and return",
    aspects: ["flow"],
    applies: (fields) => legacyOpcode(fields, MAP_0F, 0x34, 0x35, 0x07),
  },
  {
    name: "virtual machine calls",
    reason:
      "vmcall, vmlaunch, vmresume, vmmcall, vmgexit, tdcall, seamcall...: control comes back to the next instruction",
    aspects: ["flow"],
    applies: (fields) =>
      legacyOpcode(fields, MAP_0F, 0x01) &&
      [0xc1, 0xc2, 0xc3, 0xcc, 0xcd, 0xcf, 0xd4, 0xd8, 0xd9, 0xde].includes(fields!.modrm),
  },
  {
    name: "REX2",
    reason: "APX specification, 3.1.1: iced 1.21 does not know APX",
    aspects: ["valid"],
    applies: (fields) => fields?.encoding === ENCODING_REX2,
  },
  {
    name: "EVEX with APX registers",
    reason: "APX specification, 3.1.2: B4, X4 and R' extend general registers to r16..r31; iced 1.21 does not know APX",
    aspects: ["valid"],
    applies: (fields) => fields?.encoding === ENCODING_EVEX && fields.rexHigh !== 0,
  },
  {
    name: "EVEX forms of legacy and VEX instructions",
    reason: "APX specification, 3.1.2.3: map 4 and promoted BMI, AMX, kmov, cmpccxadd; iced 1.21 does not know APX",
    aspects: ["valid"],
    applies: (fields) =>
      fields?.encoding === ENCODING_EVEX &&
      (fields.map === 4 || (APX_VEX_OPCODES[fields.map]?.includes(fields.opcode) ?? false)),
  },
  {
    name: "movrs",
    reason: "MOVRS (Intel ISE reference, chapter MOVRS) is younger than iced 1.21",
    aspects: ["valid"],
    applies: (fields) => legacyOpcode(fields, MAP_0F38, 0x8a, 0x8b),
  },
  {
    name: "urdmsr, uwrmsr",
    reason: "USER_MSR (Intel ISE reference) is younger than iced 1.21",
    aspects: ["valid"],
    applies: (fields) =>
      (legacyOpcode(fields, MAP_0F38, 0xf8) && fields!.modrm >= 0xc0) ||
      (fields?.encoding === ENCODING_VEX && fields.map === 7),
  },
  {
    name: "AMX-TF32, AMX-FP8, AMX-MOVRS, AMX-TRANSPOSE",
    reason: "Intel ISE reference, chapter AMX: younger than iced 1.21",
    aspects: ["valid"],
    applies: (fields) =>
      fields?.encoding === ENCODING_VEX &&
      ((fields.map === MAP_0F38 && [0x48, 0x4a].includes(fields.opcode)) || fields.map === 5),
  },
  {
    name: "Geode's 3DNow!",
    reason: "pfrcpv and pfrsqrtv: AMD Geode LX data book; iced has them behind an option",
    aspects: ["valid"],
    applies: (fields) => fields?.map === MAP_3DNOW && [0x86, 0x87].includes(fields.opcode),
  },
  {
    name: "PadLock",
    reason:
      "VIA's and Zhaoxin's manuals define 0f a6 and 0f a7 with ModRM.rm = 0; iced takes any rm, some only with rep",
    aspects: ["valid", "invalid"],
    applies: (_, bytes) => {
      const at = skipPrefixes(bytes);
      return bytes[at] === 0x0f && (bytes[at + 1] === 0xa6 || bytes[at + 1] === 0xa7);
    },
  },
];

function positions(offset: number, size: number): string {
  return size === 0 ? "none" : `${offset}+${size}`;
}

/** Our decoder's words. */
export function verdictOf(fields: Fields): Verdict {
  return {
    length: fields.length,
    disp: positions(fields.dispOffset, fields.dispSize),
    imm: positions(fields.immOffset, fields.immSize),
    imm2Size: fields.imm2Size,
    ripRelative: fields.ripRelative === 1,
    flow: FLOW_NAMES[fields.flow]!,
  };
}

export class Iced {
  private readonly instruction = new Instruction();
  private readonly decoder: Decoder;

  constructor(private readonly bytes: Uint8Array) {
    this.decoder = new Decoder(64, bytes, DecoderOptions.None);
  }

  /** The instruction at `offset`, null when iced calls it invalid. */
  decode(offset: number): Verdict | null {
    this.decoder.position = offset;
    this.decoder.decodeOut(this.instruction);
    if (this.instruction.code === Code.INVALID) return null;
    const offsets: ConstantOffsets = this.decoder.getConstantOffsets(this.instruction);
    const verdict = {
      length: this.instruction.length,
      disp: positions(offsets.displacementOffset, offsets.displacementSize),
      imm: positions(offsets.immediateOffset, offsets.immediateSize),
      imm2Size: offsets.immediateSize2,
      ripRelative: this.instruction.isIpRelMemoryOperand,
      flow: ICED_FLOW_NAMES[this.instruction.flowControl] ?? "?",
    };
    offsets.free();
    return verdict;
  }

  free(): void {
    this.instruction.free();
    this.decoder.free();
  }
}

/**
 * Where the two disagree and no exception allows it, as text; null when all is well. `bytes` may be longer than the
 * instruction. `seen` counts the exceptions that were needed, by name.
 */
export function disagreement(
  bytes: Uint8Array,
  fields: Fields | null,
  iced: Verdict | null,
  seen: Map<string, number>,
): string | null {
  const allowed = (aspect: Aspect): boolean => {
    const exception = EXCEPTIONS.find(({ aspects, applies }) => aspects.includes(aspect) && applies(fields, bytes));
    if (exception) seen.set(exception.name, (seen.get(exception.name) ?? 0) + 1);
    return exception !== undefined;
  };
  if (fields === null) {
    return iced === null || allowed("invalid") ? null : `ours: invalid, iced: ${JSON.stringify(iced)}`;
  }
  const ours = verdictOf(fields);
  if (iced === null) return allowed("valid") ? null : `ours: ${JSON.stringify(ours)}, iced: invalid`;
  for (const aspect of Object.keys(ours) as (keyof Verdict)[]) {
    if (ours[aspect] !== iced[aspect] && !allowed(aspect)) {
      return `${aspect}: ours ${ours[aspect]}, iced ${iced[aspect]}`;
    }
  }
  return null;
}

export const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
