// Coverage as DynamoRIO's drcov writes it, which Lighthouse, Cutter, Binary Ninja's and Ghidra's plugins read:
//
//   DRCOV VERSION: 2
//   DRCOV FLAVOR: drcov
//   Module Table: version 2, count 1
//   Columns: id, base, end, entry, path
//     0, 0x0000555555554000, 0x0000555555558000, 0x0000555555555040, /usr/bin/true
//   BB Table: 1 bbs
//   <u32 start: from the module's base> <u16 size> <u16 module's id>     little-endian, for each block
//
// Version 2 of the module table has one row a file; later ones have one a segment, which say nothing more about coverage.
// (clients/drcov/drcov.h and ext/drcovlib/modules.c of DynamoRIO; the columns checksum and timestamp are Windows' alone.)

import assert from "node:assert/strict";
import type { Block } from "./blocks.js";

/** A file that is mapped, and what was executed of it. */
export interface Module {
  readonly path: string;
  /** What is added to the file's own addresses. */
  readonly bias: bigint;
  /** The file's own addresses: where it starts, where it ends, its entry point. */
  readonly start: bigint;
  readonly end: bigint;
  readonly entry: bigint;
  readonly blocks: readonly Block[];
}

const BLOCK_SIZE = 8;
const U16_MAX = 0xffff;

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16).padStart(16, "0")}`;

/** A block in pieces whose size the table can say. */
function piecesOf({ start, size }: Block): { start: number; size: number }[] {
  const count = Math.ceil(size / U16_MAX);
  return Array.from({ length: count }, (_, i) => ({
    start: start + i * U16_MAX,
    size: Math.min(U16_MAX, size - i * U16_MAX),
  }));
}

export function drcovOf(modules: readonly Module[]): Buffer {
  assert(modules.length <= U16_MAX, "more modules than drcov can number");
  const rows = modules.map(({ path, bias, start, end, entry }, id) =>
    [String(id).padStart(3), hex(bias + start), hex(bias + end), hex(bias + entry), path].join(", "),
  );
  const pieces = modules.flatMap(({ blocks, start }, id) =>
    blocks.flatMap(piecesOf).map((piece) => ({ start: piece.start - Number(start), size: piece.size, id })),
  );
  const head = [
    "DRCOV VERSION: 2",
    "DRCOV FLAVOR: drcov",
    `Module Table: version 2, count ${modules.length}`,
    "Columns: id, base, end, entry, path",
    ...rows,
    `BB Table: ${pieces.length} bbs`,
    "",
  ].join("\n");
  const table = Buffer.alloc(pieces.length * BLOCK_SIZE);
  for (const [i, { start, size, id }] of pieces.entries()) {
    table.writeUInt32LE(start, i * BLOCK_SIZE);
    table.writeUInt16LE(size, i * BLOCK_SIZE + 4);
    table.writeUInt16LE(id, i * BLOCK_SIZE + 6);
  }
  return Buffer.concat([Buffer.from(head), table]);
}
