// The launcher's file as other tools see it: readelf finds nothing to complain about, the kernel maps what the headers
// say, equal input gives equal files.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildLauncher } from "../../src/backend/build-launcher.js";
import { eax, edi, rax, rdx, rip, rsi, rsp, type Assembler } from "../../src/backend/x64/assembler.js";
import { ModuleEncoder, opcode, signed } from "./wasm-encoder.js";

/** 4 MiB of memory with data at its start, in the middle, and in its last bytes. */
function sparseModule(): Uint8Array {
  const module = new ModuleEncoder();
  module.pages = 64;
  module.globals.push({ type: "i64", mutable: true, value: 0x1122334455667788n });
  module.data.push({ offset: 0x200000 + 5, bytes: [0xaa] }, { offset: 16, bytes: [1, 2, 3] });
  module.data.push({ offset: 64 * 65536 - 2, bytes: [0xbb, 0xcc] }, { offset: 17, bytes: [9] });
  module.functions.push({
    type: { params: [], results: ["i64"] },
    locals: [],
    code: [...opcode("global.get"), 0, ...opcode("i64.const"), ...signed(1), ...opcode("i64.add"), ...opcode("end")],
    exported: "answer",
  });
  return module.bytes;
}

/** Writes linear memory and the answer to standard output. */
function gates(a: Assembler): void {
  a.global("_start");
  a.call("engine.answer");
  a.push(rax);
  const write = (): void => {
    a.mov(edi, 1);
    a.mov(eax, 1);
    a.syscall();
  };
  a.mov(rsi, rsp);
  a.mov(rdx, 8);
  write();
  for (const offset of [0, 0x200000, 64 * 65536 - 4096]) {
    a.lea(rsi, rip("memory", offset));
    a.mov(rdx, 4096);
    write();
  }
  a.mov(edi, 0);
  a.mov(eax, 60);
  a.syscall();
}

test("an ELF file that loads, with islands of data", () => {
  const file = buildLauncher(sparseModule(), gates);
  assert.deepEqual(buildLauncher(sparseModule(), gates), file);
  assert.ok(file.length < 64 * 1024, `${file.length} bytes for 6 bytes of data`);
  const folder = mkdtempSync(join(tmpdir(), "flicker-image-"));
  try {
    const path = join(folder, "launcher");
    writeFileSync(path, file, { mode: 0o755 });
    const { stdout, stderr } = spawnSync("readelf", ["-aW", path], { encoding: "utf8" });
    assert.equal(stderr, "");
    assert.match(stdout, /DYN \(/);
    assert.doesNotMatch(stdout, /INTERP|RWE|Dynamic section at/);
    assert.match(stdout, /Build ID: [0-9a-f]{40}/);
    assert.match(stdout, /FUNC +LOCAL +DEFAULT +\d+ engine\/answer/);
    assert.match(stdout, /(4194304|0x400000) OBJECT +LOCAL +DEFAULT +\d+ memory/);
    const output = execFileSync(path);
    const expected = Buffer.alloc(8 + 3 * 4096);
    expected.writeBigUInt64LE(0x1122334455667789n, 0);
    expected.set([1, 9, 3], 8 + 16);
    expected[8 + 4096 + 5] = 0xaa;
    expected.set([0xbb, 0xcc], 8 + 3 * 4096 - 2);
    assert.equal(Buffer.compare(output, expected), 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
