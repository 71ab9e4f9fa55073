// Linear memory: every load and store at every offset of a pattern, copies that overlap in every way, fills, and atomic
// operations, natively and in V8, with the whole of memory compared.

import { test } from "node:test";
import assert from "node:assert/strict";
import binaryen from "binaryen";
import { isFloat, operators } from "../../src/backend/wasm/opcodes.js";
import { compareRuns, type Call } from "./native-run.js";

function wasmOf(functions: readonly string[]): Uint8Array {
  const pattern = Array.from({ length: 256 }, (_, i) => `\\${((i * 37 + 129) & 255).toString(16).padStart(2, "0")}`);
  const data = `(data (i32.const 0) "${pattern.join("")}") (data (i32.const 65280) "${pattern.join("")}")`;
  const module = binaryen.parseText(`(module (memory (export "memory") 1 1) ${data} ${functions.join("\n")})`);
  module.setFeatures(binaryen.Features.All);
  assert.ok(module.validate());
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

const VALUES = { i32: [0, -1, 0x12345678, -0x7fedcba9], i64: [0n, -1n, 0x123456789abcdef0n, -0x7edcba9876543211n] };

test("loads, stores and atomics", () => {
  const functions: string[] = [];
  const calls: Call[] = [];
  for (const operator of operators) {
    const { name, immediate, operands, result } = operator;
    if (immediate !== "memory" || isFloat(operator)) continue;
    const parameters = operands.map((type) => `(param ${type})`).join(" ");
    const values = operands.slice(1).map((_, i) => `(local.get ${i + 1})`);
    const results = result === null ? "" : `(result ${result})`;
    const step = name.includes("atomic") ? 8 : 1;
    const type = (operands[1] ?? "i32") as "i32" | "i64";
    const define = (suffix: string, body: string, addresses: readonly number[]): void => {
      functions.push(`(func (export "${name}${suffix}") ${parameters} ${results} ${body})`);
      for (const address of addresses) {
        for (const value of VALUES[type]) {
          const args = [address, value, VALUES[type][2] as number].slice(0, operands.length);
          calls.push({ name: name + suffix, args });
          if (operands.length === 1) break;
        }
      }
    };
    const near = Array.from({ length: 12 }, (_, i) => i * step);
    define("", `(${name} (local.get 0) ${values.join(" ")})`, near);
    define(":offset", `(${name} offset=${8 * 9} (local.get 0) ${values.join(" ")})`, [...near, 65536 - 80]);
    define(":far", `(${name} offset=65456 (local.get 0) ${values.join(" ")})`, near.slice(0, 4));
    define(":constant", `(${name} offset=8 (i32.const 16) ${values.join(" ")})`, [0]);
    if (operands.length > 1 && result !== null) {
      define(":dropped", `(drop (${name} (local.get 0) ${values.join(" ")})) (${result}.const 1)`, near);
      define(":tee", `(local.tee 1 (${name} (local.get 0) ${values.join(" ")}))`, near);
    }
    for (const value of operands.length === 2 ? VALUES[type] : []) {
      define(`:value ${value}`, `(${name} (local.get 0) (${type}.const ${value}))`, [24]);
    }
  }
  compareRuns(wasmOf(functions), calls);
});

test("copies and fills", () => {
  const functions = [
    `(func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))`,
    `(func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))`,
    `(func (export "fence") (i32.store (i32.const 60000) (i32.const 5)) (atomic.fence) (i32.store8 (i32.const 60001) (i32.const 6)))`,
    `(func (export "mixed") (param i32 i32 i32) (result i32) (local i32)
      (local.set 3 (i32.add (local.get 0) (local.get 1)))
      (memory.copy (local.get 0) (local.get 1) (local.get 2))
      (i32.add (local.get 3) (i32.load8_u (local.get 0))))`,
  ];
  const calls: Call[] = [{ name: "fence", args: [] }];
  for (let size = 0; size < 300; size += size < 40 ? 1 : 29) {
    for (const distance of [-300, -64, -33, -9, -8, -7, -1, 0, 1, 3, 8, 9, 31, 40, 127, 500]) {
      calls.push(
        { name: "copy", args: [1000 + distance, 1000, size] },
        { name: "copy", args: [1000, 65290, size & 127] },
      );
      calls.push({ name: "mixed", args: [2000 + distance, 2000, size] }, { name: "copy", args: [2000, 3, size] });
    }
    calls.push({ name: "fill", args: [4000 + size, size * 77, size] });
  }
  compareRuns(wasmOf(functions), calls);
});
