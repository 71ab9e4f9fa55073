// Every floating-point operator with operands at the edges, natively and in V8. Functions take and give bits, so that no
// value passes through a JavaScript number; a NaN is compared as the canonical one, since its payload may be anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isFloat, operators, type Type } from "../../src/backend/wasm/opcodes.js";
import { readModule } from "../../src/backend/wasm/reader.js";
import { Assembler } from "../../src/backend/x64/assembler.js";
import { compileModule } from "../../src/backend/x64/compile.js";
import { HOOK_OPTIONS, compareRuns, type Call } from "./native-run.js";
import { wasmOf } from "./wasm-text.js";

const bitsOf = (value: number): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
};
const bitsOf32 = (value: number): number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getInt32(0);
};

const NUMBERS = [
  ...[0, 0.5, 1, 1.5, 2, 2.5, 3.49, 3.5, 0.1, 0.49999999999999994, 1e-10, 5e-324, 2.2250738585072014e-308, 1e-45],
  ...[127, 255.9, 2147483647, 2147483647.5, 2147483648, 2147483649, 4294967295, 4294967295.5, 4294967296],
  ...[8388607.5, 8388608.5, 16777217, 2 ** 52 - 0.5, 2 ** 52 + 1, 2 ** 53 + 2],
  ...[2 ** 63 - 1024, 2 ** 63, 2 ** 64 - 2048, 2 ** 64, 1e300, 3.5e38, Infinity],
].flatMap((value) => [value, -value]);
const EDGES = {
  f64: [...NUMBERS.map(bitsOf), 0x7ff8000000000000n, 0xfff8000000000000n, 0x7ff0000000000001n, 0x7ff4567812345678n],
  f32: [...NUMBERS.map(bitsOf32), 0x7fc00000, -0x400000, 0x7f800001, 0x7fa12345],
  i32: [0, 1, -1, 2, 16777217, -16777219, 0x7fffffff, -0x80000000, 0x12345678],
  i64: [
    ...[0n, 1n, -1n, 16777217n, 9007199254740993n, 0x7fffffffffffffffn, -0x8000000000000000n, -0x7fffffffffffffffn],
    ...[-1025n, 0x7fffff4000000001n, -0x3ffn, 0x8000004000000000n, 0x8000004000000001n].map((bits) =>
      BigInt.asIntN(64, bits),
    ),
  ],
} as const;

const CARRIER = { i32: "i32", i64: "i64", f32: "i32", f64: "i64" } as const;
const fromBits = (type: Type, code: string): string =>
  CARRIER[type] === type ? code : `(${type}.reinterpret_${CARRIER[type]} ${code})`;
const toBits = (type: Type, code: string): string => (CARRIER[type] === type ? code : `(call $bits_${type} ${code})`);

const PRELUDE = `(memory (export "memory") 1 1)
  (func $bits_f32 (param f32) (result i32)
    (select (i32.reinterpret_f32 (local.get 0)) (i32.const 0x7fc00000) (f32.eq (local.get 0) (local.get 0))))
  (func $bits_f64 (param f64) (result i64)
    (select (i64.reinterpret_f64 (local.get 0)) (i64.const 0x7ff8000000000000) (f64.eq (local.get 0) (local.get 0))))`;

const floats = operators.filter((operator) => isFloat(operator) && operator.immediate === "none");

for (const count of [1, 2]) {
  test(`floating-point operators of ${count} operands`, () => {
    const functions: string[] = [];
    const calls: Call[] = [];
    for (const { name, operands, result } of floats.filter((operator) => operator.operands.length === count)) {
      const [type, other] = operands as [Type, Type?];
      const header = `(param $a ${CARRIER[type]}) ${other === undefined ? "" : `(param $b ${CARRIER[other]})`}`;
      const pairs = EDGES[type].flatMap((left) =>
        other === undefined ? [[left]] : EDGES[type].map((right) => [left, right]),
      );
      const few = pairs.filter((_, i) => i % 13 === 0);
      const given = ["$a", "$b"].slice(0, count).map((local) => fromBits(type, `(local.get ${local})`));
      const define = (suffix: string, body: string, results: string, args: readonly (number | bigint)[][]): void => {
        functions.push(`(func (export "${name}${suffix}") ${header} (result ${results}) ${body})`);
        for (const arg of args) calls.push({ name: name + suffix, args: arg });
      };
      const code = `(${name} ${given.join(" ")})`;
      const to = result as Type;
      define("", toBits(to, code), CARRIER[to], pairs);
      // The result and the operands are in locals, and used twice.
      const again = `(local $x ${type}) (local $y ${to}) (local.set $x ${given[0]})
        (local.set $y (${name} ${["(local.get $x)", ...given.slice(1)].join(" ")}))`;
      if (to === "i32" && count === 2) {
        define(":if", `(if (result i32) ${code} (then (i32.const 1)) (else (i32.const 2)))`, "i32", few);
        define(":br_if", `(block (br_if 0 (i32.eqz ${code})) (return (i32.const 7))) (i32.const 9)`, "i32", few);
        define(":select", `(select (i32.const 3) (i32.const 4) ${code})`, "i32", few);
        define(
          ":and",
          `(if (result i32) (i32.and ${code} (i32.eqz ${code})) (then (i32.const 1)) (else (i32.const 2)))`,
          "i32",
          few,
        );
      } else if (type === to) {
        const both = toBits(to, `(${to}.add (local.get $y) (local.get $x))`);
        define(":locals", `${again} ${both}`, CARRIER[to], few);
        define(":nested", toBits(to, `(${name} ${[code, ...given.slice(1)].join(" ")})`), CARRIER[to], few);
      }
    }
    compareRuns(wasmOf(`(module ${PRELUDE} ${functions.join("\n")})`), calls, "", HOOK_OPTIONS);
  });
}

test("floats in memory, constants, globals, calls, blocks and many parameters", () => {
  const functions = [
    `(global $g (mut f64) (f64.const 1.25)) (global $h f32 (f32.const -0.5))`,
    `(func (export "f32") (param i32 i32) (result i32)
      (f32.store offset=4 (local.get 0) (f32.reinterpret_i32 (local.get 1)))
      (call $bits_f32 (f32.add (f32.load offset=4 (local.get 0)) (f32.const 1.5))))`,
    `(func (export "f64") (param i32 i64) (result i64)
      (f64.store (local.get 0) (f64.reinterpret_i64 (local.get 1)))
      (global.set $g (f64.mul (global.get $g) (f64.load (local.get 0))))
      (call $bits_f64 (f64.sub (global.get $g) (f64.promote_f32 (global.get $h)))))`,
    `(func $many (param f64 f32 f64 i32 f64 f32 f64 f64 i64) (result f64)
      (f64.add (f64.add (local.get 0) (f64.promote_f32 (local.get 1))) (f64.add (f64.mul (local.get 2) (local.get 4))
        (f64.add (f64.convert_i32_s (local.get 3)) (f64.add (f64.promote_f32 (local.get 5)) (f64.add (local.get 6)
          (f64.div (local.get 7) (f64.convert_i64_u (local.get 8)))))))))`,
    `(func (export "many") (param i32 i64) (result i64) (local f64)
      (local.set 2 (f64.reinterpret_i64 (local.get 1)))
      (call $bits_f64 (call $many (local.get 2) (f32.const 3) (f64.const 0.1) (local.get 0) (local.get 2) (f32.demote_f64 (local.get 2))
        (f64.neg (local.get 2)) (f64.sqrt (f64.abs (local.get 2))) (local.get 1))))`,
    `(func (export "loop") (param i32) (result i64) (local f64)
      (local.set 1 (f64.const 1))
      (loop $l (local.set 1 (f64.add (f64.mul (local.get 1) (f64.const 1.0625)) (f64.convert_i32_u (local.get 0))))
        (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (call $bits_f64 (if (result f64) (f64.gt (local.get 1) (f64.const 1000)) (then (f64.neg (local.get 1))) (else (local.get 1)))))`,
  ];
  const calls: Call[] = [1, 2, 50].map((times) => ({ name: "loop", args: [times] }));
  for (const [i, bits] of EDGES.f64.entries()) {
    calls.push({ name: "f64", args: [8 * i, bits] }, { name: "many", args: [i, bits] });
  }
  for (const [i, bits] of EDGES.f32.entries()) calls.push({ name: "f32", args: [4096 + 8 * i, bits] });
  compareRuns(wasmOf(`(module ${PRELUDE} ${functions.join("\n")})`), calls, "", HOOK_OPTIONS);
});

test("the result names the vector registers that are changed", () => {
  const vectorsOf = (body: string): readonly number[] => {
    const wasm = wasmOf(`(module (func (export "f") (param f64 f64) (result f64) ${body}))`);
    return compileModule(new Assembler(), readModule(wasm), HOOK_OPTIONS).vectors;
  };
  assert.deepEqual(vectorsOf("(f64.div (local.get 0) (local.get 1))"), [0, 1, 2]);
  const integers = wasmOf(
    `(module (func (export "f") (param i32) (result i32) (i32.mul (local.get 0) (local.get 0))))`,
  );
  assert.deepEqual(compileModule(new Assembler(), readModule(integers), HOOK_OPTIONS).vectors, []);
});
