// Oracle: iced-x86, a decoder that shares nothing with ours. Everything that both say about an instruction must agree:
// its fields, and what it reads and writes. What they are known to see differently is in differences.ts.

import { Code, type ConstantOffsets, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic } from "iced-x86";
import { DecoderModule, type Fields } from "./decoder-module.js";
import { type Aspect, ICED_FACTS, ICED_FIELDS } from "./differences.js";
import { FACT_NAMES, icedFacts, ourFacts } from "./iced-facts.js";

/** What a decoder says, in the words that both have. null: invalid. */
export interface Verdict {
  length: number;
  disp: string;
  imm: string;
  imm2Size: number;
  ripRelative: boolean;
  flow: string;
}

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

function positions(offset: number, size: number): string {
  return size === 0 ? "none" : `${offset}+${size}`;
}

/** Our decoder's words. */
function verdictOf(fields: Fields): Verdict {
  return {
    length: fields.length,
    disp: positions(fields.dispOffset, fields.dispSize),
    imm: positions(fields.immOffset, fields.immSize),
    imm2Size: fields.imm2Size,
    ripRelative: fields.ripRelative === 1,
    flow: FLOW_NAMES[fields.flow]!,
  };
}

/** Both decoders on the same bytes. */
export class Comparison {
  /** How often each difference was needed, by name. */
  readonly seen = new Map<string, number>();
  /** Instructions that both call valid, and those of which the facts were compared as well. */
  valid = 0;
  described = 0;
  private readonly instruction = new Instruction();
  private iced: Decoder | null = null;
  private code: Uint8Array = new Uint8Array();

  constructor(readonly decoder: DecoderModule) {}

  /** What follows is about offsets in `code`, which is copied to the decoder's memory. */
  load(code: Uint8Array): void {
    this.iced?.free();
    this.iced = new Decoder(64, code, DecoderOptions.None);
    this.code = code;
    this.decoder.memory.set(code, this.decoder.code);
  }

  /** Length of the instruction at `offset` as iced has it; 0 when it is invalid. */
  icedLength(offset: number): number {
    this.iced!.position = offset;
    this.iced!.decodeOut(this.instruction);
    return this.instruction.code === Code.INVALID ? 0 : this.instruction.length;
  }

  /**
   * Decodes at `offset` with both, looking at no more than `available` bytes.
   * @returns where they disagree and no difference allows it, as text; null when all is well
   */
  problemAt(offset: number, available: number): string | null {
    const { decoder } = this;
    const length = decoder.exports.decode(decoder.code + offset, available, decoder.instructions);
    return this.problemWith(offset, length === 0 ? null : 0);
  }

  /** The same for the instruction number `index` of the decoder's last run; null: our decoder calls it invalid. */
  problemWith(offset: number, index: number | null): string | null {
    const fields = index === null ? null : this.decoder.read(index);
    const icedLength = this.icedLength(offset);
    const allowed = (aspect: Aspect): boolean => {
      const bytes = this.code.subarray(offset, offset + 15);
      const difference = ICED_FIELDS.find(({ aspects, applies }) => aspects.includes(aspect) && applies(fields, bytes));
      return this.count(difference);
    };
    if (fields === null) {
      if (icedLength === 0 || allowed("invalid")) return null;
      return `ours: invalid, iced: ${JSON.stringify(this.icedVerdict())}`;
    }
    const ours = verdictOf(fields);
    if (icedLength === 0) return allowed("valid") ? null : `ours: ${JSON.stringify(ours)}, iced: invalid`;
    const iced = this.icedVerdict();
    for (const aspect of Object.keys(ours) as (keyof Verdict)[]) {
      if (ours[aspect] !== iced[aspect] && !allowed(aspect)) {
        return `${aspect}: ours ${ours[aspect]}, iced ${iced[aspect]}`;
      }
    }
    this.valid++;
    return this.factProblem(offset, index!, fields);
  }

  private factProblem(offset: number, index: number, fields: Fields): string | null {
    const ours = ourFacts(this.decoder, this.decoder.code + offset, index, fields);
    if (ours === null) return null;
    this.described++;
    const iced = icedFacts(this.instruction, fields);
    for (const field of FACT_NAMES) {
      if (ours[field] === iced[field]) continue;
      if ((field === "memorySize" || field === "address") && !ours.hasOperand) continue;
      const name = Mnemonic[this.instruction.mnemonic];
      const difference = ICED_FACTS.find(
        ({ fields, mnemonics, applies }) =>
          fields.includes(field) &&
          (mnemonics?.includes(name) ?? true) &&
          (applies?.(this.instruction, ours, iced) ?? true),
      );
      if (!this.count(difference)) return `${name}: ${field}: ours ${ours[field]}, iced ${iced[field]}`;
    }
    return null;
  }

  private count(difference: { name: string } | undefined): boolean {
    if (difference !== undefined) this.seen.set(difference.name, (this.seen.get(difference.name) ?? 0) + 1);
    return difference !== undefined;
  }

  private icedVerdict(): Verdict {
    const { instruction } = this;
    const offsets: ConstantOffsets = this.iced!.getConstantOffsets(instruction);
    const verdict = {
      length: instruction.length,
      disp: positions(offsets.displacementOffset, offsets.displacementSize),
      imm: positions(offsets.immediateOffset, offsets.immediateSize),
      imm2Size: offsets.immediateSize2,
      ripRelative: instruction.isIpRelMemoryOperand,
      flow: ICED_FLOW_NAMES[instruction.flowControl] ?? "?",
    };
    offsets.free();
    return verdict;
  }

  report(): string {
    const seen = [...this.seen].map(([name, count]) => `${name} ${count}`).join(", ");
    return `${this.valid} valid for both, facts of ${this.described}; differences: ${seen || "none"}`;
  }
}

export const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
