// One site before and after it is patched, instruction by instruction: for `flicker inspect --site`.
//
// Every old instruction start is still one after patching, and has either its old bytes or a jump that leads to the same
// instruction elsewhere (docs/patching.md). So both listings have a line for each old start; a jump whose last bytes are
// those of the next instruction (a pun) simply overlaps the next line. AT&T syntax, objdump's default.

import { Decoder, DecoderOptions, Formatter, FormatterSyntax, type Instruction } from "iced-x86";
import type { ElfFile } from "./elf-file.js";
import type { Candidate, Inspection, Patch } from "./inspection.js";

export interface Line {
  /** The file's address, or for a trampoline the simulated process's. */
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** Where a jump or an operand leads, and what the line is for. */
  readonly comment: string;
  readonly mark: "site" | "evicted" | "relay" | null;
}

/** A piece of code with the bytes of a patch drawn in. */
export interface Drawing {
  readonly address: bigint;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** For each byte: `w` written, `=` kept because a jump depends on it, `.` free. */
  readonly locks: string;
}

export interface Trampoline {
  readonly title: string;
  readonly address: bigint;
  readonly lines: readonly Line[];
}

export interface SiteView {
  readonly before: readonly Line[];
  readonly after: readonly Line[];
  readonly drawings: readonly Drawing[];
  readonly trampolines: readonly Trampoline[];
}

/** Code shown on each side of a patch, and how far in front of that decoding starts where no function is known. */
const CONTEXT = 16n;
const RUN_UP = 96n;
const INSTRUCTION_MAX = 15;
/** Of a site's trampoline: what follows is data (src/engine/thread/trampoline.ts). */
const TRAMPOLINE_CODE = 61;
const DISPATCH_SIZE = 65536n;

interface Piece {
  start: bigint;
  end: bigint;
}

interface Decoded {
  /** Address in the simulated process. */
  readonly at: bigint;
  readonly length: number;
  readonly text: string;
  /** What a branch or RIP-relative operand refers to. */
  readonly target: bigint | null;
}

/** Prints as objdump does, in AT&T's syntax, but with signed immediates. */
function createFormatter(firstOperandColumn: number): Formatter {
  const formatter = new Formatter(FormatterSyntax.Gas);
  formatter.hexPrefix = "0x";
  formatter.hexSuffix = "";
  formatter.uppercaseHex = false;
  formatter.branchLeadingZeros = false;
  formatter.signedImmediateOperands = true;
  formatter.ripRelativeAddresses = true;
  formatter.firstOperandCharIndex = firstOperandColumn;
  return formatter;
}

const OPERAND_COLUMN = 7;

class Viewer {
  private readonly formatter = createFormatter(OPERAND_COLUMN);
  private readonly site: bigint;

  constructor(
    private readonly inspection: Inspection,
    private readonly candidate: Candidate,
  ) {
    this.site = candidate.address + inspection.bias;
  }

  /** The file's bytes for an address of the process; fewer at the segment's end. */
  private original(at: bigint, size: number): Uint8Array {
    const offset = this.candidate.offset + Number(at - this.site);
    const start = Math.max(0, offset);
    // No Buffer: it has a JSON of its own.
    return Uint8Array.from(this.inspection.file.bytes.subarray(start, start + size));
  }

  private patched(at: bigint, size: number): Uint8Array {
    return this.inspection.process.bytesAt(at, size);
  }

  private decode(bytes: Uint8Array, at: bigint): Decoded {
    const decoder = new Decoder(64, bytes, DecoderOptions.None);
    decoder.ip = at;
    const instruction = decoder.decode();
    const isBad = instruction.isInvalid;
    const target = isBad ? null : targetOf(instruction);
    const text = isBad ? "(bad)" : this.readable(this.formatter.format(instruction), target);
    const length = isBad ? 1 : instruction.length;
    instruction.free();
    decoder.free();
    return { at, length, text, target };
  }

  /** Code's own addresses as the file has them. */
  private readable(text: string, target: bigint | null): string {
    if (target === null || !this.isCode(target)) return text;
    return text.replace(`0x${target.toString(16)}`, (target - this.inspection.bias).toString(16));
  }

  private isCode(at: bigint): boolean {
    return this.inspection.file.segments.some(({ address, memorySize }) => {
      const vaddr = at - this.inspection.bias;
      return vaddr >= address && vaddr < address + memorySize;
    });
  }

  /** Old instructions from a start on, until `end`. */
  private decodeFrom(start: bigint, end: bigint): Decoded[] {
    const out: Decoded[] = [];
    for (let at = start; at < end;) {
      const decoded = this.decode(this.original(at, INSTRUCTION_MAX), at);
      out.push(decoded);
      at += BigInt(decoded.length);
    }
    return out;
  }

  /** Old instructions that overlap [low, high), decoded so that the site and what is evicted for it are among the starts. */
  private oldInstructions(low: bigint, high: bigint, anchors: readonly bigint[]): Decoded[] {
    const { symbols, file, bias } = this.inspection;
    const { address } = this.candidate;
    const owner = symbols.functionAt(address);
    const segment = file.segments.find((s) => address >= s.address && address < s.address + BigInt(s.fileSize));
    const first = (segment?.address ?? address) + bias;
    const start = low < this.site ? low : this.site;
    const end = [high, ...anchors.map((anchor) => anchor + 1n)].reduce((most, at) => (at > most ? at : most));
    const starts: bigint[] = [];
    if (owner !== null && owner.start + bias >= first) starts.push(owner.start + bias);
    for (let at = start - RUN_UP; at <= start; at++) starts.push(at < first ? first : at);
    let found = this.decodeFrom(this.site, end);
    for (const from of starts) {
      const decoded = this.decodeFrom(from, end);
      const has = new Set(decoded.map(({ at }) => at));
      if (!has.has(this.site)) continue;
      found = decoded;
      if (anchors.every((anchor) => has.has(anchor))) break;
    }
    return found.filter(({ at, length }) => at + BigInt(length) > low && at < high);
  }

  /** The patches that lead the site to its trampoline: the site's own, and of what was evicted for it. */
  private patches(): Patch[] {
    const own = this.inspection.patchesIn(this.site, this.site + 1n);
    const { tactic } = this.candidate;
    if (tactic === "T2") return [...own, ...this.inspection.patchesIn(this.site + 2n, this.site + 3n)];
    if (tactic !== "T3") return own;
    const relay = this.decode(this.patched(this.site, INSTRUCTION_MAX), this.site).target!;
    const before = this.inspection.patchesIn(relay - BigInt(INSTRUCTION_MAX), relay);
    return [...own, ...before.filter(({ original, length }) => original + BigInt(length) > relay)];
  }

  private commentOn(target: bigint | null): string {
    if (target === null) return "";
    const { inspection } = this;
    const trampoline = inspection.trampolineAt(target);
    if (trampoline !== null) return this.title(trampoline);
    for (const outpost of inspection.outposts()) {
      if (target >= outpost && target < outpost + DISPATCH_SIZE) return "which calls the engine looks at";
      if (target === outpost + DISPATCH_SIZE) return "to the engine";
    }
    if (!this.isCode(target)) return "";
    return inspection.symbols.nameOf(target - inspection.bias);
  }

  private title({ kind, original }: Patch): string {
    const where = (original - this.inspection.bias).toString(16);
    if (kind === "site") return original === this.site ? "trampoline of the site" : `trampoline of the site ${where}`;
    if (kind === "stub") return `stub of the site ${where}`;
    return `trampoline of the evicted ${where}`;
  }

  private line(decoded: Decoded, bytes: Uint8Array, mark: Line["mark"]): Line {
    const address = decoded.at - this.inspection.bias;
    return { address, bytes, text: decoded.text, comment: this.commentOn(decoded.target), mark };
  }

  private trampolineLine(decoded: Decoded, bytes: Uint8Array, { trampoline, size }: Patch): Line {
    const { at, text, target } = decoded;
    const isInside = target !== null && target >= trampoline && target < trampoline + BigInt(size);
    return { address: at, bytes, text, comment: isInside ? "" : this.commentOn(target), mark: null };
  }

  private pieces(patches: readonly Patch[]): Piece[] {
    const pieces: Piece[] = [];
    const wanted = [{ original: this.site, length: 2, locked: 2 }, ...patches].sort((a, b) =>
      a.original < b.original ? -1 : 1,
    );
    for (const { original, length, locked } of wanted) {
      const [start, end] = [original - CONTEXT, original + BigInt(Math.max(length, locked)) + CONTEXT];
      const last = pieces[pieces.length - 1];
      if (last !== undefined && start <= last.end + CONTEXT) last.end = end > last.end ? end : last.end;
      else pieces.push({ start, end });
    }
    return pieces;
  }

  private drawings(patches: readonly Patch[]): Drawing[] {
    const sorted = [...patches].sort((a, b) => (a.original < b.original ? -1 : 1));
    const drawings: Drawing[] = [];
    let drawn = 0n;
    for (const { original } of sorted) {
      if (original < drawn) continue;
      let end = original;
      // Patches that touch each other are one drawing.
      for (const next of sorted) {
        const nextEnd = next.original + BigInt(Math.max(next.length, next.locked));
        if (next.original <= end && nextEnd > end) end = nextEnd;
      }
      const size = Number(end - original);
      const locks = Array.from({ length: size }, (_, i) => this.lockAt(original + BigInt(i), sorted)).join("");
      drawings.push({
        address: original - this.inspection.bias,
        before: this.original(original, size),
        after: this.patched(original, size),
        locks,
      });
      drawn = end;
    }
    return drawings;
  }

  private lockAt(at: bigint, patches: readonly Patch[]): string {
    let lock = ".";
    for (const { original, length, locked } of patches) {
      if (at < original || at >= original + BigInt(locked)) continue;
      if (at < original + BigInt(length)) return "w";
      lock = "=";
    }
    return lock;
  }

  private trampoline(patch: Patch): Trampoline {
    const lines: Line[] = [];
    const isLong = patch.kind === "site" && patch.size > TRAMPOLINE_CODE;
    const end = isLong ? TRAMPOLINE_CODE : patch.size;
    const bytes = this.patched(patch.trampoline, patch.size);
    for (let offset = 0; offset < end;) {
      const decoded = this.decode(bytes.subarray(offset, end), patch.trampoline + BigInt(offset));
      lines.push(this.trampolineLine(decoded, bytes.subarray(offset, offset + decoded.length), patch));
      offset += decoded.length;
    }
    if (isLong) {
      const data = bytes.subarray(end);
      const distance = new DataView(data.buffer, data.byteOffset).getInt32(0, true);
      const text = `.long  ${distance}`;
      const address = patch.trampoline + BigInt(end);
      lines.push({ address, bytes: data, text, comment: "how far the site is from here", mark: null });
    }
    return { title: this.title(patch), address: patch.trampoline, lines };
  }

  /** Trampolines that control meets, the site's first. */
  private trampolines(patches: readonly Patch[]): Trampoline[] {
    const found: Patch[] = [];
    const trap = this.inspection.trapTrampoline(this.site);
    if (trap !== null) found.push(trap);
    for (const patch of patches) {
      // A pun may have room for no more than a jump to the trampoline.
      const entry = this.decode(this.patched(patch.original, INSTRUCTION_MAX), patch.original).target;
      const stub = entry === null ? null : this.inspection.trampolineAt(entry);
      if (stub?.kind === "stub") found.push(stub);
      found.push(patch);
    }
    return found.map((patch) => this.trampoline(patch));
  }

  view(): SiteView {
    const patches = this.patches();
    const marks = new Map<bigint, Line["mark"]>(patches.map(({ original }) => [original, "evicted"]));
    marks.set(this.site, "site");
    const before: Line[] = [];
    const after: Line[] = [];
    for (const { start, end } of this.pieces(patches)) {
      for (const old of this.oldInstructions(start, end, [...marks.keys()])) {
        const mark = marks.get(old.at) ?? null;
        const bytes = this.original(old.at, old.length);
        const line = this.line(old, bytes, mark);
        before.push(line);
        after.push(...this.linesAfter(old, bytes, line));
      }
    }
    const view = { before, after, drawings: this.drawings(patches), trampolines: this.trampolines(patches) };
    this.formatter.free();
    return view;
  }

  /** What stands at an old instruction's start after patching, and at a relay inside of it. */
  private linesAfter(old: Decoded, bytes: Uint8Array, line: Line): Line[] {
    const now = this.patched(old.at, INSTRUCTION_MAX);
    if (bytes.every((byte, i) => byte === now[i])) return [line];
    const jump = this.decode(now, old.at);
    const lines = [this.line(jump, now.subarray(0, jump.length), line.mark)];
    if (this.candidate.tactic !== "T3") return lines;
    const relay = this.decode(this.patched(this.site, INSTRUCTION_MAX), this.site).target!;
    if (old.at === this.site)
      return [{ ...lines[0]!, comment: `relay at ${(relay - this.inspection.bias).toString(16)}` }];
    if (relay <= old.at || relay >= old.at + BigInt(old.length)) return lines;
    const relayBytes = this.patched(relay, INSTRUCTION_MAX);
    const second = this.decode(relayBytes, relay);
    return [...lines, this.line(second, relayBytes.subarray(0, second.length), "relay")];
  }
}

function targetOf(instruction: Instruction): bigint | null {
  if (instruction.isIpRelMemoryOperand) return instruction.ipRelMemoryAddress;
  return instruction.nearBranchTarget === 0n ? null : instruction.nearBranchTarget;
}

/** Disassembles the code around a candidate of an inspected file. */
export function viewSite(inspection: Inspection, candidate: Candidate): SiteView {
  return new Viewer(inspection, candidate).view();
}

/** Prints single instructions of a file, by the file's own addresses. */
export class Disassembler {
  private readonly formatter: Formatter;

  /** @param isAligned with operands in a column; else one space behind the mnemonic */
  constructor(
    private readonly file: ElfFile,
    isAligned: boolean,
  ) {
    this.formatter = createFormatter(isAligned ? OPERAND_COLUMN : 0);
  }

  /** An instruction as text, and where its branch or RIP-relative operand leads; null where iced-x86 knows none. */
  print(bytes: Uint8Array, address: bigint): { text: string; target: bigint | null } | null {
    const decoder = new Decoder(64, bytes, DecoderOptions.None);
    decoder.ip = address;
    const instruction = decoder.decode();
    const isKnown = !instruction.isInvalid;
    const target = isKnown ? targetOf(instruction) : null;
    const text = isKnown ? this.formatter.format(instruction) : "";
    instruction.free();
    decoder.free();
    if (!isKnown) return null;
    const isOurs = target !== null && this.holds(target);
    return { text: isOurs ? text.replace(`0x${target.toString(16)}`, target.toString(16)) : text, target };
  }

  private holds(at: bigint): boolean {
    return this.file.segments.some(({ address, memorySize }) => at >= address && at < address + memorySize);
  }
}
