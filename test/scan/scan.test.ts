// Which `0f 05` are system calls: the vote of scan/evidence.ts against objdump, on whole binaries.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";

interface Scanner {
  memory: WebAssembly.Memory;
  codeBuffer(): number;
  weighAt(size: number, offset: number): number;
}

const CODE = 0;
const INTERIOR = 1;
const WINDOW = 448;

let scanner: Promise<Scanner> | undefined;
async function load(): Promise<Scanner> {
  const wasm = await compileAssemblyScript("test/scan/scan.as.ts");
  const refuse = (): never => {
    throw new Error("the scanner reached for the process");
  };
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm));
  const process = Object.fromEntries(imports.map(({ name }) => [name, refuse]));
  const { instance } = await WebAssembly.instantiate(wasm, { process });
  return instance.exports as unknown as Scanner;
}

/** Verdicts on every `0f 05` of a file's executable segments, by virtual address. */
async function weighFile(path: string): Promise<Map<number, number>> {
  const { memory, codeBuffer, weighAt } = await (scanner ??= load());
  const file = readFileSync(path);
  const verdicts = new Map<number, number>();
  const headers = Number(file.readBigUInt64LE(32));
  for (let i = 0; i < file.readUInt16LE(56); i++) {
    const header = headers + 56 * i;
    if (file.readUInt32LE(header) !== 1 || (file.readUInt32LE(header + 4) & 1) === 0) continue;
    const [start, address, size] = [8, 16, 32].map((at) => Number(file.readBigUInt64LE(header + at))) as [
      number,
      number,
      number,
    ];
    const end = start + size;
    for (let at = file.indexOf("0f05", start, "hex"); at >= 0 && at < end; at = file.indexOf("0f05", at + 1, "hex")) {
      const from = Math.max(start, at - WINDOW / 2);
      const code = file.subarray(from, Math.min(end, from + WINDOW));
      new Uint8Array(memory.buffer).set(code, codeBuffer());
      verdicts.set(at - start + address, weighAt(code.length, at - from));
    }
  }
  return verdicts;
}

function sitesOf(path: string): number[] {
  const listing = execFileSync("objdump", ["-d", "--no-show-raw-insn", path], { encoding: "utf8", maxBuffer: 1 << 30 });
  return [...listing.matchAll(/^\s*([0-9a-f]+):\s+syscall/gm)].map((match) => parseInt(match[1] as string, 16));
}

// objdump decodes linearly too, but it starts at symbols and sections: where it and the vote agree, two fences do.
for (const path of [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib64/ld-linux-x86-64.so.2",
  "/lib/x86_64-linux-musl/libc.so",
  "/bin/busybox",
  "/usr/bin/bash",
  "/usr/bin/perl",
  "/usr/bin/python3",
]) {
  test(`every syscall of ${path} is found, and nothing else`, async (context) => {
    if (!existsSync(path)) return context.skip(`${path} is not installed`);
    const verdicts = await weighFile(path);
    const found = [...verdicts].filter(([, verdict]) => verdict === CODE).map(([address]) => address);
    assert.deepEqual(
      found.sort((a, b) => a - b),
      sitesOf(path).sort((a, b) => a - b),
    );
  });
}

// The tables of OpenSSL's hand-written assembly stand between its functions. objdump takes one `0f 05` there for code.
test("constant pools of libcrypto are no sites", async (context) => {
  const path = "/lib/x86_64-linux-gnu/libcrypto.so.3";
  if (!existsSync(path)) return context.skip(`${path} is not installed`);
  const verdicts = await weighFile(path);
  assert.equal([...verdicts.values()].filter((verdict) => verdict === CODE).length, 0);
  assert.ok([...verdicts.values()].includes(INTERIOR));
});
