// The statistics against counts that Flicker has no part in. test/programs/fates.c has a site for every fate, writes its
// patched code into a file, and has its code mapped once more where no patch is possible. What is a site, objdump says (the
// table in the text section is the program's own word); what became of it, the patched bytes. B1 takes five bytes, so no
// `syscall` can have it.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

interface Place {
  file: string;
  offset: string;
  address: string;
}
interface LeftAlone extends Place {
  reason?: string;
  times: number;
}
interface End {
  event: string;
  exe: string;
  sites: number;
  patched: number;
  tactics: Record<string, number>;
  unpatched: number;
  doubtful: number;
  interior: number;
  executedTraps: number;
  hottestTraps: (Place & { executed: number })[];
  unpatchedSites: LeftAlone[];
  unpatchedSitesUnnamed: number;
  doubtfulSites: LeftAlone[];
  doubtfulSitesUnnamed: number;
}

/** Elf64_Phdr: the executable segment of an image, as far as its file holds it. */
function executableSegment(image: Buffer): { offset: number; address: number; size: number } {
  const headers = Number(image.readBigUInt64LE(32));
  for (let at = headers; ; at += 56) {
    if (image.readUInt32LE(at) !== 1 || (image.readUInt32LE(at + 4) & 1) === 0) continue;
    const [offset, address, size] = [8, 16, 32].map((field) => Number(image.readBigUInt64LE(at + field))) as [
      number,
      number,
      number,
    ];
    return { offset, address, size };
  }
}

/** Ranges of a file that its section headers call code (SHF_EXECINSTR). */
function codeSections(image: Buffer): { start: number; end: number }[] {
  const [headers, count] = [Number(image.readBigUInt64LE(40)), image.readUInt16LE(60)];
  return Array.from({ length: count }, (_, index) => headers + index * 64)
    .filter((at) => (image.readBigUInt64LE(at + 8) & 4n) !== 0n)
    .map((at) => {
      const start = Number(image.readBigUInt64LE(at + 24));
      return { start, end: start + Number(image.readBigUInt64LE(at + 32)) };
    });
}

/** How often the bytes of a `syscall` stand in a range. */
function occurrences(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = bytes.indexOf("\x0f\x05", start, "latin1"); at >= 0 && at + 2 <= end; count++)
    at = bytes.indexOf("\x0f\x05", at + 1, "latin1");
  return count;
}

/** Addresses of the `syscall` instructions that objdump finds. */
function syscallsOf(file: string): number[] {
  const listing = execFileSync("objdump", ["-d", "--no-show-raw-insn", file], { encoding: "utf8", maxBuffer: 1 << 28 });
  return [...listing.matchAll(/^\s*([0-9a-f]+):\s+syscall/gm)].map(([, address]) => Number.parseInt(address!, 16));
}

function symbolsOf(file: string): Map<string, number> {
  const listing = execFileSync("nm", [file], { encoding: "utf8", maxBuffer: 1 << 28 });
  return new Map(
    [...listing.matchAll(/^([0-9a-f]+) \w (\S+)$/gm)].map(([, value, name]) => [name!, parseInt(value!, 16)]),
  );
}

/** Reads a site's fate off the bytes that stand there now, and those that stood there before. */
function fateOf(original: Buffer, patched: Buffer, at: number): string {
  const opcode = patched[at]!;
  if (opcode === 0xeb) return "T3";
  if (opcode === 0x0f) return patched[at + 1] === 0x0b ? "B0" : "left alone";
  const padding = opcode === 0xe9 ? 0 : 1;
  if (patched[at + padding] !== 0xe9) return `${opcode.toString(16)}?`;
  // A pun's rel32 ends in the successor's bytes. They are the old ones, unless the successor was evicted.
  const [start, end] = [at + 2, at + padding + 5];
  if (!original.subarray(start, end).equals(patched.subarray(start, end))) return "T2";
  return padding === 0 ? "B2" : "T1";
}

const skip = isNativeStandIn() && "the native stand-in has no statistics";

describe("every fate, counted by others", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "flicker-fates-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let program = "";
  let file: Buffer;
  let segment: ReturnType<typeof executableSegment>;
  let original: Buffer;
  let patched: Buffer;
  /** Offsets of sites in the dumps: the program's, then the vDSO's. */
  let sites: number[];
  let ownSites: number;
  let table: { start: number; end: number };
  let end: End;
  let text = "";

  before(async () => {
    program = await buildProgram("fates.c", "static");
    const launcher = await launcherPath();
    const [natively, under, events] = ["native", "flicker", "events"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const plain = spawnSync(program, ["dump_and_map", natively], { encoding: "utf8" });
    const run = (...options: string[]) =>
      spawnSync(launcher, ["run", ...options, "--", program, "dump_and_map", under], { encoding: "utf8" });
    text = run("--stats").stderr;
    const { status, stdout } = run("--stats-file", events);
    assert.deepEqual([status, stdout], [0, plain.stdout]);
    end = JSON.parse(readFileSync(events, "utf8").trimEnd().split("\n").at(-1)) as End;
    assert.equal(end.event, "end");

    file = readFileSync(program);
    segment = executableSegment(file);
    original = readFileSync(natively);
    patched = readFileSync(under);
    const symbols = symbolsOf(program);
    const inDump = (address: number): number => address - segment.address;
    table = { start: inDump(symbols.get("table")!), end: inDump(symbols.get("table_end")!) };
    const own = syscallsOf(program)
      .map(inDump)
      .filter((at) => at < table.start || at >= table.end);
    ownSites = own.length;
    const vdso = join(folder, "vdso");
    writeFileSync(vdso, original.subarray(segment.size));
    sites = [...own, ...syscallsOf(vdso).map((at) => segment.size + at)];
  });

  test("tactics, and sites that got none", () => {
    const fates: Record<string, number> = { B1: 0, B2: 0, T1: 0, T2: 0, T3: 0, B0: 0 };
    for (const at of sites) {
      const fate = fateOf(original, patched, at);
      fates[fate] = (fates[fate] ?? 0) + 1;
    }
    assert.deepEqual(end.tactics, fates);
    for (const tactic of ["B2", "T1", "T2", "T3", "B0"]) assert.notEqual(fates[tactic], 0, `no site has ${tactic}`);
    assert.equal(end.patched, sites.length);
    // The second mapping of the program's code.
    assert.equal(end.unpatched, ownSites);
    assert.equal(end.sites, end.patched + end.unpatched + end.doubtful);
  });

  test("nothing but sites is patched", () => {
    // In the table not one byte, and every other `syscall` is somebody else's bytes.
    assert.ok(original.subarray(table.start, table.end).equals(patched.subarray(table.start, table.end)));
  });

  test("doubtful and interior ones are all other places with the bytes of a syscall", () => {
    const inSections = codeSections(file).reduce((sum, range) => sum + occurrences(file, range.start, range.end), 0);
    const vdso = original.subarray(segment.size);
    const code = executableSegment(vdso);
    const inVdso = occurrences(vdso, code.offset, code.offset + code.size);
    // The program's code was mapped twice.
    assert.equal(end.doubtful + end.interior, 2 * (inSections - ownSites) + inVdso - (sites.length - ownSites));
    assert.notEqual(end.doubtful, 0);
    assert.notEqual(end.interior, 0);
  });

  test("sites that stay as they are have names", () => {
    const offsetOf = ({ offset }: Place): number => Number(offset) - segment.offset;
    const isSound = (entries: LeftAlone[], unnamed: number, total: number): void => {
      assert.equal(
        entries.reduce((sum, { times }) => sum + times, unnamed),
        total,
      );
      assert.equal(new Set(entries.map(({ offset }) => offset)).size, entries.length);
      for (const entry of entries) assert.equal(entry.file, program);
    };
    isSound(end.unpatchedSites, end.unpatchedSitesUnnamed, end.unpatched);
    assert.deepEqual(end.unpatchedSites.map(offsetOf), sites.slice(0, ownSites));
    for (const { reason } of end.unpatchedSites) assert.equal(reason, "its page cannot be written");

    isSound(end.doubtfulSites, end.doubtfulSitesUnnamed, end.doubtful);
    // More than the list holds: it is full, and says what it lacks.
    assert.equal(end.doubtfulSites.length, 256);
    for (const entry of end.doubtfulSites) {
      assert.ok(offsetOf(entry) >= table.start && offsetOf(entry) < table.end, entry.offset);
      assert.equal(Number(entry.address), segment.address + offsetOf(entry));
      assert.equal(entry.times, 2);
    }
  });

  test("the hottest trap has its name and its number", () => {
    const address = symbolsOf(program).get("trapped_site")!;
    const offset = address - segment.address + segment.offset;
    const place = { file: program, offset: `0x${offset.toString(16)}`, address: `0x${address.toString(16)}` };
    assert.deepEqual(end.hottestTraps, [{ ...place, executed: 1000 }]);
    assert.equal(end.executedTraps, 1000);
  });

  test("as text: five of each, and how many more", () => {
    const lines = text.trimEnd().split("\n");
    const count = (word: string): number => lines.filter((line) => line.startsWith(`flicker:   ${word} `)).length;
    assert.deepEqual([count("trap"), count("unpatched"), count("doubtful")], [1, 5, 5]);
    assert.ok(lines.includes(`flicker:   ${end.unpatched - 5} more unpatched`), text);
    assert.ok(lines.includes(`flicker:   ${end.doubtful - 10} more doubtful`), text);
    assert.match(
      lines[0]!,
      new RegExp(`${end.sites} sites: .* 1 traps \\(1000 executed\\), ${end.unpatched} unpatched`),
    );
  });
});

test("the ten hottest of many traps, hottest first", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "flicker-fates-"));
  try {
    const events = join(folder, "events");
    const loop = "for ((i = 0; i < 500; i++)); do umask 22; done";
    spawnSync(await launcherPath(), [
      "run",
      "--only-traps",
      "--stats-file",
      events,
      "--",
      "bash",
      "--norc",
      "-c",
      loop,
    ]);
    const end = JSON.parse(readFileSync(events, "utf8").trimEnd().split("\n").at(-1)) as End;
    const heat = end.hottestTraps.map(({ executed }) => executed);
    assert.equal(heat.length, 10);
    assert.deepEqual(
      heat,
      heat.toSorted((a, b) => b - a),
    );
    // umask is one system call, in libc, and nothing else in the loop makes any.
    assert.equal(heat[0], 500);
    assert.match(end.hottestTraps[0]!.file, /libc/);
    assert.ok(end.executedTraps > heat.reduce((sum, executed) => sum + executed, 0));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
