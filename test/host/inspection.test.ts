// What `flicker inspect` says of a file is what happens to it: the same sites as objdump has, the same counts as a live run,
// and listings that lead from each site to its trampoline.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { viewSite } from "../../src/host/disassembly.js";
import { type ElfFile, ElfError, readElfFile, readVdso } from "../../src/host/elf-file.js";
import { findFile, findLibraries } from "../../src/host/find-file.js";
import { Inspection, type Summary } from "../../src/host/inspection.js";
import { packageRoot } from "../../src/host/package-root.js";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-inspection-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const inspect = (file: ElfFile): Promise<Inspection> => Inspection.create(packageRoot, file);

function objdumpSites(path: string): bigint[] {
  const listing = execFileSync("objdump", ["-d", "--no-show-raw-insn", path], { encoding: "utf8", maxBuffer: 1 << 30 });
  return [...listing.matchAll(/^\s*([0-9a-f]+):\s+syscall/gm)].map((match) => BigInt(`0x${match[1]}`));
}

const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";
const LD = "/lib64/ld-linux-x86-64.so.2";

for (const path of [LIBC, LD, "/bin/busybox"]) {
  test(`sites of ${path} are objdump's, with offsets, and each listing leads to a trampoline`, async (context) => {
    if (!existsSync(path)) return context.skip(`${path} is not installed`);
    const inspection = await inspect(readElfFile(path));
    const sites = inspection.candidates.filter(({ verdict }) => verdict === "site");
    assert.deepEqual(
      sites.map(({ address }) => address),
      objdumpSites(path),
    );
    for (const site of sites) {
      assert.deepEqual([...inspection.file.bytes.subarray(site.offset, site.offset + 2)], [0x0f, 0x05]);
      assert.notEqual(site.tactic, null);
      const { before, after: patched, trampolines } = viewSite(inspection, site);
      const [old] = before.filter(({ mark }) => mark === "site");
      const [jump] = patched.filter(({ mark }) => mark === "site");
      assert.equal(old?.text, "syscall");
      assert.match(jump!.text, /^jmp /);
      assert.ok(trampolines.some(({ lines }) => lines.some(({ text }) => text === "syscall")));
      const evicted = patched.filter(({ mark }) => mark === "evicted").length;
      assert.equal(evicted, site.tactic === "T2" || site.tactic === "T3" ? 1 : 0);
    }
  });
}

test("a file that the engine patches is not changed in memory", async () => {
  const file = readElfFile(LD);
  const before = Buffer.from(file.bytes);
  await inspect(file);
  assert.ok(before.equals(file.bytes));
});

test("two inspections of a file are the same", async () => {
  const [one, two] = [await inspect(readElfFile(LD)), await inspect(readElfFile(LD))];
  assert.deepEqual(one.candidates, two.candidates);
  assert.deepEqual(one.summary, two.summary);
});

// A live run has other addresses, so tactics may differ; which sites there are, and that each is patched, may not.
const COUNTS = ["sites", "patched", "unpatched", "doubtful", "interior"] as const;
const cc1 = spawnSync("gcc", ["-print-prog-name=cc1"], { encoding: "utf8" }).stdout?.trim() ?? "";
for (const command of [
  ["/bin/true"],
  ["/usr/bin/bash", "-c", ":"],
  ["/usr/bin/python3", "-I", "-S", "-c", "0"],
  ["/bin/busybox", "true"],
  [cc1, "--version"],
]) {
  const [path] = command as [string, ...string[]];
  test(`a live run of ${path} finds the same sites`, { skip: isNativeStandIn() }, async (context) => {
    if (!existsSync(path)) return context.skip(`${path || "cc1"} is not installed`);
    const file = findFile(path);
    const missing = (name: string): never => assert.fail(`${name} is not found`);
    const files = [file, ...findLibraries(file, missing), readVdso()];
    const summaries: Summary[] = [];
    for (const each of files) summaries.push((await inspect(each)).summary);

    const statistics = join(folder, "statistics");
    rmSync(statistics, { force: true });
    const run = spawnSync(await launcherPath(), ["run", "--stats-file", statistics, "--", ...command]);
    assert.equal(run.status, 0);
    const lines = readFileSync(statistics, "utf8").trim().split("\n");
    const live = JSON.parse(lines[lines.length - 1]!) as Record<string, number>;
    const sum = (of: (summary: Summary) => number): number => summaries.reduce((all, summary) => all + of(summary), 0);
    const inspected = Object.fromEntries(COUNTS.map((name) => [name, sum((summary) => summary[name])]));
    assert.deepEqual(inspected, Object.fromEntries(COUNTS.map((name) => [name, live[name]])));
    assert.equal(
      sum(({ executableBytes }) => executableBytes),
      live["scannedBytes"],
    );
    assert.equal(files.length, live["mappings"]);
  });
}

test("doubtful candidates have a reason", async (context) => {
  const path = "/lib/x86_64-linux-gnu/libcrypto.so.3";
  if (!existsSync(path)) return context.skip(`${path} is not installed`);
  const { candidates } = await inspect(readElfFile(path));
  const doubtful = candidates.filter(({ verdict }) => verdict === "doubtful");
  assert.ok(doubtful.length > 0);
  for (const { reason, tactic } of doubtful) assert.deepEqual([tactic, reason === null], [null, false]);
});

test("functions have names, and those of C++ and Rust readable ones", async (context) => {
  const source = join(folder, "names.cc");
  const program = join(folder, "names");
  writeFileSync(
    source,
    `namespace outer { struct Inner { __attribute__((noinline)) static void call(int) { asm volatile("syscall" : : "a"(39) : "rcx", "r11"); } }; }
     extern "C" __attribute__((noinline)) void _RNvCs1234_7mycrate3foo() { asm volatile("syscall" : : "a"(39) : "rcx", "r11"); }
     int main() { outer::Inner::call(1); _RNvCs1234_7mycrate3foo(); }`,
  );
  if (spawnSync("g++", ["-O1", "-o", program, source]).status !== 0) return context.skip("g++ is not installed");
  const inspection = await inspect(readElfFile(program));
  const names = inspection.candidates.map(({ function: name }) => name);
  assert.deepEqual(names.sort(), ["mycrate::foo", "outer::Inner::call(int)"]);
  const [byName] = inspection.find("outer::Inner::call");
  const [byAddress] = inspection.find(`0x${byName!.address.toString(16)}`);
  assert.deepEqual(byAddress, byName);
  assert.deepEqual(inspection.find(`_ZN5outer5Inner4callEi+0x${byName!.functionOffset!.toString(16)}`), [byName]);
  assert.throws(() => inspection.find("nobody"), /no function nobody$/);
  assert.throws(() => inspection.find("main"), /main has no system call instruction/);
  assert.throws(() => inspection.find("0x1"), /no system call at 0x1; the nearest is at 0x/);
});

// Whatever the headers say, the answer is an inspection or one line.
test("damaged files", async (context) => {
  const original = readFileSync(await buildProgram("hello-bare.S", "bare").catch(() => "/bin/true"));
  const path = join(folder, "damaged");
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  let refused = 0;
  const rounds = 300;
  for (let round = 0; round < rounds; round++) {
    const bytes = Buffer.from(original);
    for (let count = 1 + random(4); count > 0; count--) {
      const headers = 64 + 56 * bytes.readUInt16LE(56);
      const at = random(random(4) === 0 ? bytes.length : Math.min(bytes.length, headers));
      bytes[at] = random(3) === 0 ? 0xff : random(256);
    }
    writeFileSync(path, random(8) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
    try {
      await inspect(readElfFile(path));
    } catch (error) {
      if (!(error instanceof ElfError)) throw new Error(`round ${round}`, { cause: error });
      assert.match(error.message, /^\S+: [^\n]+$/);
      refused++;
    }
  }
  context.diagnostic(`${refused} of ${rounds} were refused`);
});
