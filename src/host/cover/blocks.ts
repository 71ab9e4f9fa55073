// The basic blocks of a file, as the engine sees them in a run: the same code (src/engine/scan/blocks.ts) marks them here, in Node,
// function by function of the file's unwind table.
//
// Addresses are the file's own, as objdump prints them: numbers, since files are linked below 2^53.

import assert from "node:assert/strict";
import type { ElfFile } from "../elf-file.js";
import { type Engine, instantiate } from "../inspection.js";
import { SimulatedProcess } from "../simulated-process.js";

export interface Block {
  readonly start: number;
  /** In bytes. */
  readonly size: number;
  /** The instruction that stands for the block; null when none can: whether it runs is not seen. */
  readonly site: number | null;
}

/** Marks of src/engine/scan/instructions.ts and scan/blocks.ts. */
const STARTS = 1;
const FILLING = 16;
const LEADS = 32;
const OF_BLOCK = 64;

/** A function whose instructions are marked. */
interface Marked {
  readonly address: number;
  readonly marks: Uint8Array;
}

export class BlockFinder {
  private constructor(
    private readonly engine: Engine,
    private readonly process: SimulatedProcess,
  ) {}

  /** @param root folder of the installation */
  static async create(root: string): Promise<BlockFinder> {
    const process = new SimulatedProcess();
    return new BlockFinder(await instantiate(root, process), process);
  }

  /** All blocks, in order of address; `onProgress` gets the part that is done. */
  blocksOf(file: ElfFile, onProgress?: (part: number) => void): Block[] {
    const blocks: Block[] = [];
    const count = this.engine.openFunctions(this.process.openFile(file.bytes));
    let last: Marked | null = null;
    for (let i = 0; i < count; i++) {
      onProgress?.(i / count);
      if (this.engine.readFunction(i) === 0) continue;
      const address = Number(BigInt.asUintN(64, this.engine.functionAddress()));
      assert(Number.isSafeInteger(address), "a file is linked beyond 2^53");
      // Functions that overlap (two entries of one piece of assembly) are marked once.
      if (last !== null && last.marks[address - last.address]! & STARTS) continue;
      const marks = this.marksOf(file, address);
      if (marks === null) continue;
      last = { address, marks };
      addBlocks(blocks, last);
    }
    return blocks;
  }

  /** The marks of the function that was read; null when there is data in it. */
  private marksOf(file: ElfFile, address: number): Uint8Array | null {
    const { engine } = this;
    const [offset, size] = [Number(engine.functionOffset()), Number(engine.functionSize())];
    const [code, marks] = [engine.codeBuffer(), engine.codeBuffer() + size];
    const memory = new Uint8Array(engine.memory.buffer);
    // The run has no room for such a function either.
    if (offset + size > file.bytes.length || marks + size > memory.length) return null;
    memory.set(file.bytes.subarray(offset, offset + size), code);
    memory.fill(0, marks, marks + size);
    return engine.markBlocks(code, size, marks, BigInt(address)) === 0 ? null : memory.slice(marks, marks + size);
  }
}

function addBlocks(blocks: Block[], { address, marks }: Marked): void {
  let start: number | null = null;
  let site: number | null = null;
  const end = (at: number): void => {
    if (start !== null) blocks.push({ start: address + start, size: at - start, site });
    [start, site] = [null, null];
  };
  for (let at = 0; at < marks.length; at++) {
    if (marks[at]! & (LEADS | FILLING)) end(at);
    if (marks[at]! & LEADS) start = at;
    if (marks[at]! & OF_BLOCK) site = address + at;
  }
  end(marks.length);
}
