// The decoder against objdump: lengths, on whole programs and on random byte strings.
//
// objdump is a disassembler for people: it prints prefixes that belong to no instruction as lines of their own and names
// much that raises #UD. So only lengths are compared, and only where both see an instruction; validity is iced's
// business (decode-iced.test.ts). 66 before a near branch is read as Intel does (decode.ts), hence `-M intel64`. What objdump
// is known to see differently is in differences.ts.
//
// FLICKER_OBJDUMP_COUNT   random byte strings (40,000; long: 200,000, and all local programs)

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { DecoderModule } from "./decoder-module.js";
import { OBJDUMP_LENGTHS } from "./differences.js";
import { hex } from "./iced-oracle.js";
import { codeSections, localBinaries } from "./local-binaries.js";
import { Random, fillRandomCode } from "./random-code.js";

const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;
const randomCount = Number(process.env["FLICKER_OBJDUMP_COUNT"] ?? (isLong ? 200_000 : 40_000));
/** What is disassembled at once: objdump prints sixteen times as much. */
const PIECE = 2 << 20;
const PROGRAMS = /\/(bash|libc\.so\.6)$/;
const version = spawnSync("objdump", ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0];
const skip = version ? false : "objdump is missing (package binutils)";

interface Line {
  address: number;
  bytes: Uint8Array;
  text: string;
}

function* disassemble(args: string[]): Generator<Line> {
  const result = spawnSync("objdump", ["-w", "--insn-width=16", ...args], {
    encoding: "latin1",
    maxBuffer: 1 << 30,
  });
  assert.equal(result.status, 0, result.stderr);
  for (const match of result.stdout.matchAll(/^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$/gm)) {
    yield {
      address: parseInt(match[1]!, 16),
      bytes: Uint8Array.from(match[2]!.trim().split(" "), (text) => parseInt(text, 16)),
      text: match[3]!,
    };
  }
}

let decoder: DecoderModule;
before(async () => {
  decoder = await DecoderModule.load();
});

for (const file of localBinaries().present.filter((name) => isLong || PROGRAMS.test(name))) {
  test(`${file}: lengths agree with objdump`, { skip }, (t) => {
    const seen = new Map<string, number>();
    let instructions = 0;
    for (const section of codeSections(file)) {
      const end = section.address + section.bytes.length;
      for (let start = section.address; start < end; start += PIECE) {
        const range = [`--start-address=${start}`, `--stop-address=${Math.min(end, start + PIECE)}`];
        for (const line of disassemble(["-d", "-M", "intel64", "-j", section.name, ...range, file])) {
          const offset = line.address - section.address;
          // An instruction that a piece cuts is printed as far as it goes.
          if (offset + 15 >= start - section.address + PIECE) continue;
          instructions++;
          const problem = lengthProblem(section.bytes.subarray(offset, offset + 15), line, seen);
          if (problem) assert.fail(`${file} at 0x${line.address.toString(16)}: ${problem}`);
        }
      }
    }
    t.diagnostic(`${version}; ${instructions} instructions; differences: ${JSON.stringify([...seen])}`);
    assert.ok(instructions > 10_000);
  });
}

function lengthProblem(bytes: Uint8Array, line: Line, seen: Map<string, number>): string | null {
  const length = decoder.decode(bytes)?.length ?? 0;
  if (length === line.bytes.length) return null;
  const difference = OBJDUMP_LENGTHS.find(({ applies }) => applies(line.bytes, line.text));
  if (!difference) return `${hex(bytes)}: ours ${length} bytes, objdump ${line.bytes.length}: ${line.text}`;
  seen.set(difference.name, (seen.get(difference.name) ?? 0) + 1);
  return null;
}

test("random byte strings that are valid: lengths agree with objdump", { skip }, (t) => {
  const seed = 42;
  const random = new Random(seed);
  // Each string is followed by nops, so that objdump is in step again at the next one.
  const slot = 32;
  const code = new Uint8Array(slot * randomCount).fill(0x90);
  for (let at = 0; at < code.length; at += slot) {
    const bytes = new Uint8Array(16);
    do fillRandomCode(random, bytes);
    while (decoder.decode(bytes.subarray(0, 15)) === null);
    code.set(bytes.subarray(0, 15), at);
  }
  const folder = mkdtempSync(join(tmpdir(), "flicker-objdump-"));
  try {
    const file = join(folder, "code.bin");
    writeFileSync(file, code);
    const seen = new Map<string, number>();
    const problems: string[] = [];
    for (const line of disassemble(["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel64", file])) {
      if (line.address % slot !== 0) continue;
      const problem = lengthProblem(code.subarray(line.address, line.address + 15), line, seen);
      if (problem) problems.push(problem);
    }
    t.diagnostic(`${randomCount} instructions; differences: ${JSON.stringify([...seen])}`);
    assert.deepEqual(problems.slice(0, 40), [], `seed ${seed}: ${problems.length} lengths differ`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
