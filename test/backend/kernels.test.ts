// AssemblyScript through the whole of the backend: small programs natively and in V8, and the intrinsics.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { knownImport } from "../../src/backend/x64/intrinsics.js";
import { SimulatedProcess } from "../../src/host/simulated-process.js";
import { runNative, runV8, type Call } from "./native-run.js";

const KERNELS = [
  ...["fnv", "sum32", "sha256", "hashMap", "emitCode", "lengths", "qsort", "sha256", "crc32", "matrix", "sieve"],
  ...["strings", "dispatch", "indirect"],
];

test("hashes, sorts and tables", async () => {
  const wasm = await compileAssemblyScript("test/backend/kernels/kernels.as.ts");
  const calls: Call[] = [{ name: "fill", args: [12345] }];
  for (const name of KERNELS) {
    calls.push({ name, args: [3] });
  }
  const expected = runV8(wasm, calls);
  const got = runNative(wasm, calls);
  assert.deepEqual(got.outcomes, expected.outcomes);
  assert.equal(Buffer.compare(got.memory, expected.memory), 0);
});

test("intrinsics", async () => {
  const wasm = await compileAssemblyScript("test/backend/kernels/intrinsics.as.ts");
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm));
  assert.equal(imports.length, 20, "every intrinsic of src/engine/process.ts is called");
  for (const { module, name } of imports) assert.notEqual(knownImport(module, name), null);
  const names = ["peeksAndPokes", "copies", "faults", "calls", "atomics", "bases", "vendor"];
  const { outcomes } = runNative(
    wasm,
    names.map((name) => ({ name, args: [] })),
  );
  assert.deepEqual(Object.fromEntries(names.map((name, i) => [name, outcomes[i]])), {
    ...{ peeksAndPokes: 0, copies: 0, faults: 0, calls: 0, atomics: 0, bases: 0, vendor: 0 },
  });
});

test("the engine's decoder, vote and planner on libc's code", async () => {
  const wasm = await compileAssemblyScript("test/backend/kernels/engine.as.ts");
  const simulated = new SimulatedProcess();
  const { instance } = await WebAssembly.instantiate(wasm, { process: simulated.imports() });
  const exports = instance.exports as unknown as Record<string, (argument?: number) => number | bigint>;
  const memory = instance.exports["memory"] as WebAssembly.Memory;
  simulated.memory = memory;
  const pointer = Number(exports["codePointer"]?.());
  const bytes = readFileSync("/lib/x86_64-linux-gnu/libc.so.6").subarray(0, Number(exports["codeSize"]?.()));
  new Uint8Array(memory.buffer).set(bytes, pointer);
  const calls: Call[] = [
    { name: "decodeCode", args: [1] },
    { name: "decodeFields", args: [400_000] },
    { name: "weighCode", args: [1] },
    { name: "planCode", args: [2] },
  ];
  const expected = calls.map(({ name, args }) => exports[name]?.(args[0] as number));
  const { outcomes } = runNative(wasm, [...calls, { name: "searchCode", args: [1] }], undefined, { pointer, bytes });
  assert.deepEqual(outcomes.slice(0, -1), expected);
  // The search goes through process addresses, which cost too much in Node: a search of its own is the oracle.
  let check = 0;
  for (let at = bytes.indexOf("0f05", 0, "hex"); at >= 0; at = bytes.indexOf("0f05", at + 1, "hex")) {
    check = (Math.imul(check, 7) + at) | 0;
  }
  assert.equal(outcomes.at(-1), check);
});
