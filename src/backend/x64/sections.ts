// Where assembled bytes go: sections, labels, symbols and the references between them. assembler.ts encodes
// instructions on top of this; ../elf/link.ts places the sections and resolves what is left.
//
// Every reference is 32 bits wide and relative, to the place itself or to another symbol: the launcher is
// position-independent and nobody relocates it.

import { FrameRows, type FrameCheckpoint } from "./frame-rows.js";
import { Label } from "./operands.js";

export class AssemblyError extends Error {}

export type SectionName = "text" | "rodata";

export class Section {
  private buffer = new Uint8Array(4096);
  private view = new DataView(this.buffer.buffer);
  size = 0;
  /** The strictest alignment asked for inside. */
  alignment = 16;

  constructor(
    readonly name: SectionName,
    readonly index: number,
  ) {}

  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.size);
  }

  reserve(count: number): void {
    if (this.size + count <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.size + count));
    grown.set(this.buffer);
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    if (this.size === this.buffer.length) this.reserve(1);
    this.buffer[this.size++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.size, value, true);
    this.size += 2;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.size, value, true);
    this.size += 4;
  }

  u64(value: bigint): void {
    this.reserve(8);
    this.view.setBigUint64(this.size, BigInt.asUintN(64, value), true);
    this.size += 8;
  }

  truncate(size: number): void {
    this.size = size;
  }

  append(bytes: ArrayLike<number>): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.size);
    this.size += bytes.length;
  }

  setI8(offset: number, value: number): void {
    this.view.setInt8(offset, value);
  }

  setI32(offset: number, value: number): void {
    this.view.setInt32(offset, value, true);
  }
}

export interface AssembledSymbol {
  readonly name: string;
  readonly section: number;
  readonly offset: number;
  size: number;
  readonly kind: "function" | "object" | "mark";
}

/** The 32 bits at `offset` become `target + addend - base`; without a base, `target + addend - place`. */
export interface Reference {
  readonly section: number;
  readonly offset: number;
  target: string | Label;
  readonly addend: number;
  readonly base: string | Label | null;
  /** Bytes of opcode in front, for a jump to a label that has a short form. */
  readonly jump?: 1 | 2;
}

export interface Checkpoint {
  readonly sizes: readonly number[];
  readonly references: number;
  readonly shortJumps: number;
  readonly bound: number;
  readonly frames: FrameCheckpoint;
}

/** Most jumps in a row that a jump skips. */
const THREADED_MAX = 8;

const LONG_NOPS = [
  [],
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

export class SectionWriter {
  readonly sections: readonly [Section, Section] = [new Section("text", 0), new Section("rodata", 1)];
  readonly symbols = new Map<string, AssembledSymbol>();
  readonly references: Reference[] = [];
  protected here: Section = this.sections[0];
  /** Where a label was bound last: control may come from elsewhere there. */
  private boundAt = -1;
  private readonly bound: Label[] = [];
  private open: AssembledSymbol | null = null;
  private shortJumps: { section: number; offset: number; target: Label }[] = [];
  /** How the frames of text are unwound. */
  readonly frames = new FrameRows(() => {
    const label = this.label();
    this.bind(label);
    return label;
  });

  /** Bytes that follow go to this section. */
  section(name: SectionName): void {
    this.endGlobal();
    this.here = name === "text" ? this.sections[0] : this.sections[1];
  }

  /** Offset of the next byte in the current section. */
  get offset(): number {
    return this.here.size;
  }

  get isBoundHere(): boolean {
    return this.boundAt === this.here.size;
  }

  label(): Label {
    return new Label();
  }

  bind(label: Label): void {
    if (label.section !== -1) throw new AssemblyError("a label is bound twice");
    label.section = this.here.index;
    label.offset = this.here.size;
    this.boundAt = label.offset;
    this.bound.push(label);
  }

  /** Defines `name` here: a function in text, an object in rodata. Its size ends at `endGlobal()` or at the next one. */
  global(name: string): void {
    this.endGlobal();
    this.open = this.define(name, this.here.index === 0 ? "function" : "object");
    if (this.here.index === 0) this.frames.enter();
  }

  endGlobal(): void {
    if (this.open !== null) this.open.size = this.here.size - this.open.offset;
    this.open = null;
  }

  /** Defines `name` here without a size, inside whatever symbol is open. */
  mark(name: string): void {
    this.define(name, "mark");
  }

  private define(name: string, kind: AssembledSymbol["kind"]): AssembledSymbol {
    if (this.symbols.has(name)) throw new AssemblyError(`symbol ${name} is defined twice`);
    const symbol: AssembledSymbol = { name, section: this.here.index, offset: this.here.size, size: 0, kind };
    this.symbols.set(name, symbol);
    return symbol;
  }

  bytes(...parts: (number | ArrayLike<number>)[]): void {
    for (const part of parts) {
      if (typeof part !== "number") this.here.append(part);
      else if (Number.isInteger(part) && part >= 0 && part <= 255) this.here.u8(part);
      else throw new AssemblyError(`${part} is not a byte`);
    }
  }

  u8(value: number): void {
    this.bytes(value);
  }

  u16(value: number): void {
    this.here.u16(value);
  }

  u32(value: number): void {
    this.here.u32(value);
  }

  u64(value: bigint): void {
    this.here.u64(value);
  }

  /** The bytes of `text`, which must be ASCII, without a terminating zero. */
  ascii(text: string): void {
    this.bytes(...Array.from(text, (character) => character.codePointAt(0) ?? 0));
  }

  /** 32 bits that hold `target + addend - base`: an entry of a jump table, whose base is usually its own start. */
  u32Offset(target: string | Label, base: string | Label, addend = 0): void {
    this.references.push({ section: this.here.index, offset: this.here.size, target, addend, base });
    this.here.u32(0);
  }

  /** Pads to a multiple of `alignment`, a power of two: with long nops in text, with zeros elsewhere. */
  align(alignment: number): void {
    if (alignment <= 0 || (alignment & (alignment - 1)) !== 0) {
      throw new AssemblyError(`alignment ${alignment} is not a power of two`);
    }
    this.here.alignment = Math.max(this.here.alignment, alignment);
    let missing = -this.here.size & (alignment - 1);
    while (missing > 0) {
      const count = Math.min(missing, 9);
      this.here.append(this.here.index === 0 ? (LONG_NOPS[count] as number[]) : new Uint8Array(count));
      missing -= count;
    }
  }

  /** Four bytes relative to the place `addend` bytes before which they end; see Reference. */
  protected relative32(target: string | Label, addend: number, jump?: 1 | 2): void {
    const reference = { section: this.here.index, offset: this.here.size, target, addend, base: null };
    this.references.push(jump === undefined ? reference : { ...reference, jump });
    this.here.u32(0);
  }

  protected relative8(target: Label): void {
    this.shortJumps.push({ section: this.here.index, offset: this.here.size, target });
    this.here.u8(0);
  }

  /** Emits into rodata without leaving the current section and symbol. */
  rodata(emit: () => void): void {
    const { here } = this;
    this.here = this.sections[1];
    emit();
    this.here = here;
  }

  checkpoint(): Checkpoint {
    return {
      sizes: this.sections.map(({ size }) => size),
      references: this.references.length,
      shortJumps: this.shortJumps.length,
      bound: this.bound.length,
      frames: this.frames.checkpoint(),
    };
  }

  /** Takes back what was emitted since the checkpoint; symbols must not have been defined since, labels are void. */
  rewind(to: Checkpoint): void {
    for (const section of this.sections) section.truncate(to.sizes[section.index] as number);
    this.references.length = to.references;
    this.shortJumps.length = to.shortJumps;
    this.bound.length = to.bound;
    this.frames.rewind(to.frames);
  }

  /**
   * Shortens the jumps in text since the checkpoint that reach their label with rel8, and moves what follows. Only for
   * code without marks, alignment or symbols inside. Starts from all long: a jump that is short stays within reach,
   * since code only gets shorter.
   */
  relax(from: Checkpoint): void {
    const [text] = this.sections;
    const start = from.sizes[0] as number;
    const recent = this.references.slice(from.references);
    const sites = recent.filter(({ jump, target, section }) => {
      return jump !== undefined && section === 0 && target instanceof Label && target.section === 0;
    });
    this.threadJumps(sites);
    const short = new Set<Reference>();
    // Bytes saved by short jumps in front of each offset of the code.
    const saved = new Int32Array(text.size - start + 1);
    for (let changed = true; changed;) {
      changed = false;
      for (const site of sites) {
        if (short.has(site)) continue;
        const end = site.offset + 4;
        const to = (site.target as Label).offset;
        const moved = (saved[to - start] as number) - (saved[end - start] as number);
        const distance = to - end - moved;
        if (to < start || distance < -128 || distance > 127) continue;
        short.add(site);
        changed = true;
      }
      saved.fill(0);
      for (const { offset, jump } of short) saved[offset - start + 1] = jump === 1 ? 3 : 4;
      for (let i = 1; i < saved.length; i++) saved[i] = (saved[i] as number) + (saved[i - 1] as number);
    }
    if (short.size === 0) return;

    const moved = (offset: number): number => offset - (saved[offset - start] as number);
    const old = text.bytes.slice(start);
    text.truncate(start);
    let copied = 0;
    this.references.length = from.references;
    for (let i = from.shortJumps; i < this.shortJumps.length; i++) {
      const jump = this.shortJumps[i] as { section: number; offset: number; target: Label };
      if (jump.section === 0) jump.offset = moved(jump.offset);
    }
    for (const reference of recent) {
      if (reference.section !== 0) this.references.push(reference);
      else if (!short.has(reference)) this.references.push({ ...reference, offset: moved(reference.offset) });
      else {
        const opcodeAt = reference.offset - (reference.jump as number);
        text.append(old.subarray(copied, opcodeAt - start));
        const opcode = old[reference.offset - 1 - start] as number;
        text.u8(reference.jump === 1 ? 0xeb : opcode - 0x10);
        this.shortJumps.push({ section: 0, offset: text.size, target: reference.target as Label });
        text.u8(0);
        copied = reference.offset + 4 - start;
      }
    }
    text.append(old.subarray(copied));
    for (const label of this.bound.slice(from.bound)) if (label.section === 0) label.offset = moved(label.offset);
  }

  /** Jumps to an unconditional jump go to where that goes. */
  private threadJumps(sites: readonly Reference[]): void {
    const jumps = new Map<number, Label>();
    for (const { offset, jump, target } of sites) if (jump === 1) jumps.set(offset - 1, target as Label);
    for (const site of sites) {
      // An endless loop is a jump to itself: the number of steps is bounded.
      for (let steps = 0; steps < THREADED_MAX; steps++) {
        const next = jumps.get((site.target as Label).offset);
        if (next === undefined) break;
        site.target = next;
      }
    }
  }

  /** Resolves what stays inside one section. Called by the linker; nothing can be assembled afterwards. */
  finish(): void {
    this.endGlobal();
    for (const { section, offset, target } of this.shortJumps) {
      if (target.section === -1) throw new AssemblyError("a jump goes to a label that is never bound");
      const distance = target.offset - offset - 1;
      if (target.section !== section || distance < -128 || distance > 127) {
        throw new AssemblyError(`a short jump at text+0x${offset.toString(16)} is ${distance} bytes from its label`);
      }
      (this.sections[section] as Section).setI8(offset, distance);
    }
    this.shortJumps = [];
    for (const { target, base } of this.references) {
      for (const end of [target, base]) {
        if (end instanceof Label && end.section === -1) {
          throw new AssemblyError("an instruction refers to a label that is never bound");
        }
      }
    }
  }
}
