// Damage to ELF files: a few changes of header fields, program headers, single bytes or the file's length, by a seed.
//
// Values are those that checks compare with: ends of the file and of the address space, powers of two and their
// neighbours, pages, other segments' values.

import { Random } from "../backend/random-module.js";
import {
  HEADER_SIZE,
  PROGRAM_HEADER_SIZE,
  PF_R,
  PF_W,
  PF_X,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
  PT_PHDR,
} from "./elf-file.js";

const TASK_SIZE = 0x7ffffffff000n;

/** Offset and size of the fields of Elf64_Ehdr that the kernel reads. */
const headerFields: readonly [offset: number, size: number][] = [
  [0, 4],
  [4, 1],
  [5, 1],
  [16, 2],
  [18, 2],
  [24, 8],
  [32, 8],
  [54, 2],
  [56, 2],
];
/** Those of Elf64_Phdr: type, flags, offset, vaddr, filesz, memsz, align. */
const segmentFields: readonly [offset: number, size: number][] = [
  [0, 4],
  [4, 4],
  [8, 8],
  [16, 8],
  [32, 8],
  [40, 8],
  [48, 8],
];

/** The file with one to five changes. Only the first `headersEnd` bytes and the length change. */
export function damage(file: Uint8Array, random: Random, headersEnd = 0x440): Uint8Array {
  let bytes: Uint8Array = file.slice();
  const count = 1 + random.below(random.chance(30) ? 5 : 2);
  for (let i = 0; i < count; i++) bytes = damageOnce(bytes, random, Math.min(headersEnd, bytes.length));
  return bytes;
}

function damageOnce(bytes: Uint8Array, random: Random, headersEnd: number): Uint8Array {
  const kind = random.below(100);
  const segments = segmentOffsets(bytes);
  if (kind < 15) change(bytes, ...random.pick(headerFields), random);
  else if (kind < 75 && segments.length > 0) {
    const [offset, size] = random.pick(segmentFields);
    change(bytes, random.pick(segments) + offset, size, random);
  } else if (kind < 85 && segments.length > 1) {
    const [from, to] = [random.pick(segments), random.pick(segments)];
    const copy = bytes.slice(from, from + PROGRAM_HEADER_SIZE);
    if (random.chance(50)) bytes.copyWithin(from, to, to + PROGRAM_HEADER_SIZE);
    bytes.set(copy, to);
  } else if (kind < 90 && segments.length > 0 && segments.length < 14) return withOneMore(bytes, segments, random);
  else if (kind < 96 && headersEnd > 0) bytes[random.below(headersEnd)] = random.below(256);
  else
    return bytes.slice(
      0,
      random.pick([0, 1, 16, 58, 63, 64, 119, 0x400, 0x1000, 0x1001, 0x2000, random.below(bytes.length + 1)]),
    );
  return bytes;
}

function segmentOffsets(bytes: Uint8Array): number[] {
  if (bytes.length < HEADER_SIZE) return [];
  const count = Math.min(new DataView(bytes.buffer).getUint16(56, true), 14);
  return Array.from({ length: count }, (_, i) => HEADER_SIZE + PROGRAM_HEADER_SIZE * i).filter(
    (offset) => offset + PROGRAM_HEADER_SIZE <= bytes.length,
  );
}

/** One program header more, the copy of another, behind the last. */
function withOneMore(bytes: Uint8Array, segments: readonly number[], random: Random): Uint8Array {
  const at = segments[segments.length - 1]! + PROGRAM_HEADER_SIZE;
  if (at + PROGRAM_HEADER_SIZE > bytes.length) return bytes;
  const from = random.pick(segments);
  bytes.copyWithin(at, from, from + PROGRAM_HEADER_SIZE);
  new DataView(bytes.buffer).setUint16(56, segments.length + 1, true);
  const [offset, size] = random.pick(segmentFields);
  change(bytes, at + offset, size, random);
  return bytes;
}

function change(bytes: Uint8Array, offset: number, size: number, random: Random): void {
  if (offset + size > bytes.length) return;
  const view = new DataView(bytes.buffer);
  if (size === 1) bytes[offset] = random.below(256);
  else if (size === 2) {
    const old = view.getUint16(offset, true);
    view.setUint16(
      offset,
      random.pick([0, 1, 2, 3, 4, 56, 57, 62, 1170, 1171, 65535, old + 1, old - 1]) & 0xffff,
      true,
    );
  } else if (size === 4) {
    const types = [0, PT_LOAD, 2, PT_INTERP, 4, PT_PHDR, 7, PT_GNU_STACK, 0x6474e553];
    const flags = [0, PF_X, PF_W, PF_W | PF_X, PF_R, PF_R | PF_X, PF_R | PF_W, PF_R | PF_W | PF_X];
    view.setUint32(offset, random.pick([...types, ...flags]), true);
  } else view.setBigUint64(offset, BigInt.asUintN(64, quad(view.getBigUint64(offset, true), bytes, random)), true);
}

function quad(old: bigint, bytes: Uint8Array, random: Random): bigint {
  const small = random.pick([-0x1000n, -1n, 0n, 1n, 8n, 0x7ffn, 0x800n, 0xfffn, 0x1000n, 0x1001n, 0x2000n, 0x10000n]);
  const kind = random.below(10);
  if (kind < 4) return old + small;
  if (kind === 4) return BigInt(bytes.length) + small;
  if (kind === 5) return TASK_SIZE + small;
  if (kind === 6) return (1n << BigInt(random.below(64))) + small;
  if (kind === 7) return small;
  if (kind === 8) {
    const offset = HEADER_SIZE + 8 * random.below(7 * 5);
    return offset + 8 <= bytes.length ? new DataView(bytes.buffer).getBigUint64(offset, true) : small;
  }
  return (BigInt(random.u32()) << 32n) | BigInt(random.u32());
}
