// `flicker inspect --match`: the instructions of a file that an expression of the matching language (src/match) means.
//
// The engine decodes and describes, as it would for a run (src/engine/inspection.ts); the expression's own wasm says yes or no.
// Code is read from start to end of each executable section, as objdump reads it: decoding begins anew where a function
// starts, and after a byte that begins no instruction. So data among code shows up as instructions.

import {
  CLASS_BLOCK,
  HAS_TARGET,
  NEEDS_FILE,
  RECORD_ADDRESS,
  RECORD_BYTES,
  RECORD_CLASSES,
  RECORD_FIELDS_SIZE,
  RECORD_FILE_OFFSET,
  RECORD_HAS,
  RECORD_INSTRUCTION_ADDRESS,
  RECORD_INSTRUCTION_SIZE,
  RECORD_TARGET,
  TEXT_BYTES,
  TEXT_LENGTH,
  TEXT_NUMBER,
  TEXT_UNKNOWN,
} from "../abi/instruction-record.js";
import type { CompiledMatch } from "../match/compile.js";
import { TEXTS, type TextField } from "../match/names.js";
import type { Disassembler } from "./disassembly.js";
import type { ElfFile } from "./elf-file.js";
import { BlockFinder } from "./cover/blocks.js";
import { type Engine, instantiate } from "./inspection.js";
import { Libraries, LinkageTable } from "./plt.js";
import { SimulatedProcess } from "./simulated-process.js";
import { Symbols } from "./symbols.js";

/** Texts that a file alone can answer. */
export const TEXTS_OF_A_FILE = Object.keys(TEXTS) as TextField[];

export interface Matched {
  readonly address: bigint;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Exports of src/match/emission.ts. */
interface MatchExports {
  memory: WebAssembly.Memory;
  match(): number;
  mayMatch(): number;
}

/** A piece of an executable section. */
interface Piece {
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
}

const NO_TEXT_NUMBER = 0;
const INSTRUCTION_MAX = 15;

async function sitesOfBlocks(root: string, file: ElfFile): Promise<Set<bigint>> {
  const blocks = (await BlockFinder.create(root)).blocksOf(file);
  return new Set(blocks.flatMap(({ site }) => (site === null ? [] : [BigInt(site)])));
}

/** Writes texts into the record that `match` sees. */
class TextWriter {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly last = new Map<TextField, number>();

  constructor(memory: WebAssembly.Memory) {
    this.view = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
  }

  /** @param number stands for the text, which is not written again; NO_TEXT_NUMBER: for none */
  write(field: TextField, text: string | null, number: number): void {
    if (number !== NO_TEXT_NUMBER && this.last.get(field) === number) return;
    this.last.set(field, number);
    const { offset, max } = TEXTS[field];
    const at = RECORD_ADDRESS + offset;
    const encoded = Buffer.from(text ?? "").subarray(0, max);
    this.view.setUint32(at + TEXT_NUMBER, text === null ? NO_TEXT_NUMBER : number, true);
    this.view.setInt32(at + TEXT_LENGTH, text === null ? TEXT_UNKNOWN : encoded.length, true);
    this.bytes.set(encoded, at + TEXT_BYTES);
  }
}

export class Matching {
  readonly symbols: Symbols;
  /** Instructions that were looked at. */
  instructions = 0;
  private readonly linkage: LinkageTable;
  private readonly libraries: Libraries;
  private readonly textNumbers = new Map<string, number>();
  private readonly texts: TextWriter;
  private readonly record: Uint8Array;
  private readonly recordView: DataView;

  private constructor(
    readonly file: ElfFile,
    private readonly compiled: CompiledMatch,
    private readonly matcher: MatchExports,
    private readonly engine: Engine,
    private readonly disassembler: Disassembler | null,
    /** Addresses of the instructions that stand for basic blocks; null where that does not matter. */
    private readonly ofBlocks: ReadonlySet<bigint> | null,
  ) {
    this.symbols = new Symbols(file);
    this.linkage = new LinkageTable(file);
    this.libraries = new Libraries(file);
    this.texts = new TextWriter(matcher.memory);
    this.record = new Uint8Array(matcher.memory.buffer, RECORD_ADDRESS, RECORD_FIELDS_SIZE);
    this.recordView = new DataView(matcher.memory.buffer, RECORD_ADDRESS, RECORD_FIELDS_SIZE);
  }

  /** @param root folder of the installation */
  static async create(root: string, file: ElfFile, compiled: CompiledMatch): Promise<Matching> {
    const engine = await instantiate(root, new SimulatedProcess());
    const { instance } = await WebAssembly.instantiate(compiled.wasm);
    // The disassembler takes 40 ms to load.
    const disassembler = compiled.needs.disassembly
      ? new (await import("./disassembly.js")).Disassembler(file, false)
      : null;
    const ofBlocks = compiled.needs.blocks ? await sitesOfBlocks(root, file) : null;
    const exports = instance.exports as unknown as MatchExports;
    return new Matching(file, compiled, exports, engine, disassembler, ofBlocks);
  }

  /** Calls `onMatch` for each matched instruction, in the order of the sections; `onProgress` gets the part that is done. */
  run(onMatch: (matched: Matched) => void, onProgress?: (part: number) => void): void {
    const pieces = this.pieces();
    const total = pieces.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    for (const piece of pieces) {
      this.matchPiece(piece, onMatch);
      done += piece.size;
      onProgress?.(done / total);
    }
  }

  /** Executable sections, or segments of a file without sections, cut where functions start. */
  private pieces(): Piece[] {
    const { file } = this;
    const sections = file.sections.filter(({ executable, size }) => executable && size > 0);
    const ranges: Piece[] =
      sections.length > 0
        ? sections
        : file.segments
            .filter(({ executable }) => executable)
            .map(({ address, offset, fileSize }) => ({ address, offset, size: fileSize }));
    const starts = this.symbols.starts();
    return ranges.flatMap((range) => this.cut(range, starts));
  }

  private cut({ address, offset, size }: Piece, starts: readonly bigint[]): Piece[] {
    const length = Math.max(0, Math.min(size, this.file.bytes.length - offset));
    const inside = starts.filter((start) => start > address && start < address + BigInt(length));
    const bounds = [0, ...inside.map((start) => Number(start - address)), length];
    return bounds.slice(1).map((end, i) => {
      const start = bounds[i]!;
      return { address: address + BigInt(start), offset: offset + start, size: end - start };
    });
  }

  private matchPiece(piece: Piece, onMatch: (matched: Matched) => void): void {
    const { engine, compiled, record } = this;
    const memory = new Uint8Array(engine.memory.buffer);
    const [code, records, bufferSize] = [engine.codeBuffer(), engine.recordBuffer(), engine.codeBufferSize()];
    for (let done = 0; done < piece.size;) {
      const size = Math.min(bufferSize, piece.size - done);
      const start = piece.offset + done;
      memory.set(this.file.bytes.subarray(start, start + size), code);
      const count = engine.describeCode(size, piece.address + BigInt(done), BigInt(start), compiled.needs.bits);
      // What begins so near to the end of a window may be cut, and is read again at the start of the next.
      const end = done + size < piece.size ? size - INSTRUCTION_MAX : size;
      const described = engine.describedSize();
      let next = Math.min(described, end);
      for (let i = 0; i < count; i++) {
        const at = records + i * RECORD_FIELDS_SIZE;
        record.set(memory.subarray(at, at + RECORD_FIELDS_SIZE));
        const begin = this.recordView.getUint32(RECORD_FILE_OFFSET, true) - start;
        if (begin >= end) break;
        next = Math.max(next, begin + this.recordView.getUint8(RECORD_INSTRUCTION_SIZE));
        this.instructions++;
        if (this.isMatched()) onMatch(this.matched());
      }
      done += next;
    }
  }

  private isMatched(): boolean {
    const { matcher, compiled } = this;
    if (this.ofBlocks?.has(this.recordView.getBigUint64(RECORD_INSTRUCTION_ADDRESS, true)))
      this.recordView.setUint32(RECORD_CLASSES, this.recordView.getUint32(RECORD_CLASSES, true) | CLASS_BLOCK, true);
    if (matcher.mayMatch() === 0) return false;
    if (compiled.needs.bits >= NEEDS_FILE) this.writeTexts();
    return matcher.match() !== 0;
  }

  private matched(): Matched {
    const size = this.recordView.getUint8(RECORD_INSTRUCTION_SIZE);
    return {
      address: this.recordView.getBigUint64(RECORD_INSTRUCTION_ADDRESS, true),
      offset: this.recordView.getUint32(RECORD_FILE_OFFSET, true),
      bytes: this.record.slice(RECORD_BYTES, RECORD_BYTES + size),
    };
  }

  private writeTexts(): void {
    const { needs } = this.compiled;
    const address = this.recordView.getBigUint64(RECORD_INSTRUCTION_ADDRESS, true);
    if (needs.file) this.write("file", this.file.path);
    if (needs.function) this.write("function", this.symbols.functionAt(address)?.symbol ?? null);
    const hasTarget = (this.recordView.getUint32(RECORD_HAS, true) & HAS_TARGET) !== 0;
    if (hasTarget && (needs.targetFile || needs.targetFunction)) this.writeTarget();
    if (this.disassembler !== null) {
      const { bytes } = this.matched();
      this.texts.write("asm", this.disassembler.print(bytes, address)?.text ?? null, NO_TEXT_NUMBER);
    }
  }

  /** What a jump or call leads to. An entry of the PLT stands for the function that it jumps to. */
  private writeTarget(): void {
    const { file, linkage } = this;
    const { needs } = this.compiled;
    const target = this.recordView.getBigUint64(RECORD_TARGET, true);
    const imported = linkage.nameAt(target);
    if (needs.targetFunction)
      this.write("target.function", imported ?? this.symbols.functionAt(target)?.symbol ?? null);
    if (!needs.targetFile) return;
    const isInside = file.segments.some(
      (segment) => target >= segment.address && target < segment.address + segment.memorySize,
    );
    const own = isInside ? file.path : null;
    this.write("target.file", imported === null ? own : this.libraries.fileOf(imported));
  }

  /** Writes a text with a number of its own, so that answers about it are remembered. */
  private write(field: TextField, text: string | null): void {
    let number = NO_TEXT_NUMBER;
    if (text !== null) {
      number = this.textNumbers.get(text) ?? this.textNumbers.size + 1;
      this.textNumbers.set(text, number);
    }
    this.texts.write(field, text, number);
  }
}
