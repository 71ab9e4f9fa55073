// Code to try the decoder on: executable sections of whatever of these the machine has.

import { existsSync, readFileSync, realpathSync } from "node:fs";

/** Compiler output, hand-written assembly with data between (libcrypto), much AVX (SVT-AV1, glibc), C++, Go, Rust. */
const CANDIDATES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/bin/bash",
  "/usr/bin/python3",
  "/usr/bin/perl",
  "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
  "/usr/lib/x86_64-linux-gnu/libSvtAv1Enc.so.1",
  process.execPath,
];

export interface CodeSection {
  file: string;
  name: string;
  address: number;
  bytes: Uint8Array;
}

const SHF_EXECINSTR = 4n;
const SHT_PROGBITS = 1;

/** The executable sections of an ELF file. */
export function codeSections(file: string): CodeSection[] {
  const image = readFileSync(file);
  const sectionTable = Number(image.readBigUInt64LE(0x28));
  const entrySize = image.readUInt16LE(0x3a);
  const count = image.readUInt16LE(0x3c);
  const headers = Array.from({ length: count }, (_, i) => {
    const at = sectionTable + i * entrySize;
    return {
      name: image.readUInt32LE(at),
      type: image.readUInt32LE(at + 4),
      flags: image.readBigUInt64LE(at + 8),
      address: Number(image.readBigUInt64LE(at + 16)),
      offset: Number(image.readBigUInt64LE(at + 24)),
      size: Number(image.readBigUInt64LE(at + 32)),
    };
  });
  const names = headers[image.readUInt16LE(0x3e)]!;
  return headers
    .filter(({ type, flags }) => type === SHT_PROGBITS && (flags & SHF_EXECINSTR) !== 0n)
    .map(({ name, address, offset, size }) => {
      const start = names.offset + name;
      const text = image.toString("latin1", start, image.indexOf(0, start));
      return { file, name: text, address, bytes: image.subarray(offset, offset + size) };
    });
}

/** The candidates that exist, and those that do not. */
export function localBinaries(): { present: string[]; absent: string[] } {
  return {
    present: CANDIDATES.filter((file) => existsSync(file)).map((file) => realpathSync(file)),
    absent: CANDIDATES.filter((file) => !existsSync(file)),
  };
}
