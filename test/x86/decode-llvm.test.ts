// The decoder against LLVM, which knows what iced-x86 1.21 and objdump 2.40 are too old for: APX since LLVM 18, AVX10.2 since 20.
//
// Only EVEX and REX2 are tried: the rest is iced's. Like objdump, LLVM disassembles what compilers make: it takes much that raises #UD (L'L = 11, {z} on stores, equal tiles) and
// leaves out aliases that no compiler uses. So two things are compared: lengths, where both see an instruction; and whether
// we know every opcode that LLVM knows in EVEX, an opcode being a map, a mandatory prefix, a byte and ModRM.reg (LLVM takes REX2
// before opcodes where APX makes it #UD). What differs is in differences.ts.
//
// FLICKER_LIBLLVM   the library to load (Debian: the newest libLLVM.so of 18 or later; package libllvm19)

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { DecoderModule } from "./decoder-module.js";
import { LLVM_LENGTHS, LLVM_OPCODES } from "./differences.js";
import { hex } from "./iced-oracle.js";
import { apxEntries, evexEntries } from "./opcode-map-entries.js";
import { Random, fillRandomCode } from "./random-code.js";

const LIBRARIES = "/usr/lib/x86_64-linux-gnu";
const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;
const randomCount = isLong ? 1_000_000 : 50_000;
const library = process.env["FLICKER_LIBLLVM"] ?? newestLibrary();
const skip =
  library === null
    ? "libLLVM of 18 or later is missing (package libllvm19)"
    : spawnSync("gcc", ["--version"]).error
      ? "gcc is missing"
      : false;

function newestLibrary(): string | null {
  const versions = (existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [])
    .map((file) => ({ file, version: Number(/^libLLVM\.so\.(\d+)/.exec(file)?.[1] ?? 0) }))
    .filter(({ version }) => version >= 18)
    .sort((a, b) => b.version - a.version);
  return versions[0] ? join(LIBRARIES, versions[0].file) : null;
}

let decoder: DecoderModule;
let folder: string;
before(async () => {
  decoder = await DecoderModule.load();
  folder = mkdtempSync(join(tmpdir(), "flicker-llvm-"));
  if (skip) return;
  const source = fileURLToPath(new URL("llvm-lengths.c", import.meta.url));
  execFileSync("gcc", ["-O2", "-o", join(folder, "llvm-lengths"), source, "-ldl"]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

const SLOT = 16;

/** Lengths as LLVM has them, of the instructions at the start of each 16-byte slot. */
function llvmLengths(code: Uint8Array): Uint8Array {
  const { stdout, status, stderr } = spawnSync(join(folder, "llvm-lengths"), [library!], {
    input: code,
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr.toString());
  assert.equal(stdout.length, code.length / SLOT);
  return stdout;
}

/** EVEX map, mandatory prefix, opcode and ModRM.reg. In map 4 LLVM does not look at the prefix when NF is set; "": not EVEX. */
function opcodeKey(bytes: Uint8Array): string {
  if (bytes[0] !== 0x62) return "";
  const map = bytes[1]! & 7;
  const prefix = map === 4 ? "any" : ["NP", "66", "F3", "F2"][bytes[2]! & 3]!;
  return `EVEX map ${map} ${prefix} ${hex(bytes.subarray(4, 5))} /${(bytes[5]! >> 3) & 7}`;
}

/** Problems with lengths, and, when `known` is given, each opcode with 1: LLVM takes it, 2: we do. */
function compare(
  entries: Iterable<ArrayLike<number>>,
  seen: Map<string, number>,
  known?: Map<string, number>,
): string[] {
  const problems: string[] = [];
  const code = new Uint8Array(SLOT * 500_000);
  let used = 0;
  const flush = (): void => {
    const lengths = llvmLengths(code.subarray(0, used));
    for (let at = 0; at < used; at += SLOT) {
      const bytes = code.subarray(at, at + SLOT - 1);
      const theirs = lengths[at / SLOT]!;
      const ours = decoder.decode(bytes)?.length ?? 0;
      const key = known ? opcodeKey(bytes) : "";
      if (key) known!.set(key, (known!.get(key) ?? 0) | (theirs ? 1 : 0) | (ours ? 2 : 0));
      if (ours === theirs || !ours || !theirs) continue;
      const difference = LLVM_LENGTHS.find(({ applies }) => applies(bytes, ""));
      if (difference) seen.set(difference.name, (seen.get(difference.name) ?? 0) + 1);
      else problems.push(`${hex(bytes)}: ours ${ours} bytes, LLVM ${theirs}`);
    }
    used = 0;
  };
  for (const entry of entries) {
    code.fill(0x24, used, used + SLOT).set(entry, used);
    used += SLOT;
    if (used === code.length) flush();
  }
  flush();
  return problems;
}

test("every opcode that LLVM knows is known, with its length", { skip }, (t) => {
  const seen = new Map<string, number>();
  const known = new Map<string, number>();
  const problems = [...compare(evexEntries(), seen, known), ...compare(apxEntries(), seen, known)];
  assert.deepEqual(problems.slice(0, 40), [], `${problems.length} lengths differ`);
  const missing = [...known].filter(([, who]) => who === 1).map(([key]) => key);
  const unexplained = missing.filter((key) => {
    const difference = LLVM_OPCODES.find(({ applies }) => applies(key));
    if (difference) seen.set(difference.name, (seen.get(difference.name) ?? 0) + 1);
    return !difference;
  });
  assert.deepEqual(unexplained, []);
  const both = [...known].filter(([, who]) => who === 3).length;
  const ours = [...known].filter(([, who]) => who === 2).length;
  t.diagnostic(
    `${library}: ${both} opcodes known to both, ${ours} only to us; differences: ${JSON.stringify([...seen])}`,
  );
  assert.ok(both > 1000);
});

test("random byte strings: lengths agree with LLVM", { skip }, (t) => {
  const seed = 4711;
  const random = new Random(seed);
  const seen = new Map<string, number>();
  function* strings(): Generator<Uint8Array> {
    const bytes = new Uint8Array(SLOT);
    for (let i = 0; i < randomCount; i++) {
      do fillRandomCode(random, bytes);
      while (bytes[0] !== 0x62 && bytes[0] !== 0xd5);
      yield bytes;
    }
  }
  const problems = compare(strings(), seen);
  t.diagnostic(`${randomCount} strings from seed ${seed}; differences: ${JSON.stringify([...seen])}`);
  assert.deepEqual(problems.slice(0, 40), [], `seed ${seed}: ${problems.length} lengths differ`);
});
