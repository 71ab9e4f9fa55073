// Code to try the decoder on: executable sections of whatever of these the machine has.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";

const LIBRARIES = "/usr/lib/x86_64-linux-gnu";

/**
 * Compiler output of C, C++, Go and Rust; hand-written assembly with data between (libcrypto, libgmp, libnettle); much SSE,
 * AVX and AVX-512 (glibc, codecs, libfftw3, node's V8 and simdutf). Libraries without their version: it differs between
 * Debian's releases.
 */
const PROGRAMS = [
  "/bin/bash",
  "/usr/bin/python3",
  "/usr/bin/perl",
  "/usr/bin/git",
  "/usr/bin/gdb",
  "/usr/bin/strace",
  "/usr/bin/tmux",
  "/usr/bin/openssl",
  "/usr/bin/redis-server",
  "/usr/bin/php",
  "/usr/bin/emacs",
  "/usr/bin/vim",
  "/usr/bin/zsh",
  "/usr/bin/fish",
  "/usr/bin/lua5.4",
  "/usr/bin/go",
  "/usr/sbin/nginx",
  "/usr/libexec/valgrind/memcheck-amd64-linux",
  process.execPath,
];
const LIBRARY_NAMES = [
  "libc",
  "libm",
  "ld-linux-x86-64",
  "libstdc++",
  "libcrypto",
  "libsqlite3",
  "libgmp",
  "libgcrypt",
  "libnettle",
  "libhogweed",
  "libavcodec",
  "libavfilter",
  "libswscale",
  "libx264",
  "libx265",
  "libdav1d",
  "libSvtAv1Enc",
  "libaom",
  "libvpx",
  "libfftw3",
  "libjpeg",
  "libruby-3.1",
  "libruby-3.3",
  "libzstd",
  "liblzma",
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

/** Programs and libraries that exist, and names of those that do not. */
export function localBinaries(): { present: string[]; absent: string[] } {
  const files = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [];
  const libraries = LIBRARY_NAMES.map((name) => {
    const file = files.find((file) => file.startsWith(`${name}.so.`));
    return [name, file === undefined ? null : join(LIBRARIES, file)] as const;
  });
  const programs = [...PROGRAMS, compilerProper()].map((file) => [file, existsSync(file) ? file : null] as const);
  const all = [...programs, ...libraries];
  const present = all.flatMap(([, file]) => (file === null ? [] : [realpathSync(file)]));
  return { present: [...new Set(present)], absent: all.filter(([, file]) => file === null).map(([name]) => name) };
}

/** gcc's `cc1`, the largest C program there is nearly everywhere; "cc1" when there is no gcc. */
function compilerProper(): string {
  try {
    return execFileSync("gcc", ["-print-prog-name=cc1"], { encoding: "utf8" }).trimEnd();
  } catch {
    return "cc1";
  }
}
