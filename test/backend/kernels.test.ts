// AssemblyScript through the whole of the backend: small programs natively and in V8, and the intrinsics.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { knownImport } from "../../src/backend/x64/intrinsics.js";
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
  assert.equal(imports.length, 21, "every intrinsic of src/engine/process.ts is called");
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
