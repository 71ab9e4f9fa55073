// Every integer operator with operands at the edges of its type, natively and in V8. Each operator appears in several
// settings, because the compiler treats them differently: operands in locals, constant left or right operand, result
// set to a local that an operand is in, result used as a branch condition, operands that were spilled.

import { test } from "node:test";
import assert from "node:assert/strict";
import binaryen from "binaryen";
import { isFloat, operators, type Operator } from "../../src/backend/wasm/opcodes.js";
import { compareRuns, type Call } from "./native-run.js";

export function wasmOf(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  assert.ok(module.validate(), text);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

const EDGES = {
  i32: [
    0, 1, -1, 2, 7, 31, 32, 33, 63, 127, 128, 255, 256, -128, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -0x80000000,
    0x12345678,
  ],
  i64: [
    ...[0n, 1n, -1n, 2n, 31n, 32n, 63n, 64n, 65n, 127n, 128n, -128n, 0x8000n, 0x7fffffffn, 0x80000000n, 0xffffffffn],
    ...[0x100000000n, -0x80000000n, -0x80000001n, 0x7fffffffffffffffn, -0x8000000000000000n, 0x123456789abcdef0n],
  ],
};

const isPlain = (operator: Operator): boolean =>
  operator.typed && operator.immediate === "none" && operator.operands.length > 0 && !isFloat(operator);

test("operators of one operand", () => {
  const functions: string[] = [];
  const calls: Call[] = [];
  for (const { name, operands, result } of operators.filter((operator) => isPlain(operator))) {
    const [type] = operands as readonly ("i32" | "i64")[];
    if (operands.length !== 1 || type === undefined) continue;
    const define = (suffix: string, body: string, results = result): void => {
      functions.push(`(func (export "${name}${suffix}") (param $a ${type}) (result ${results}) ${body})`);
      for (const edge of EDGES[type]) calls.push({ name: name + suffix, args: [edge] });
    };
    define("", `(${name} (local.get $a))`);
    define(":spilled", `(${name} (block (result ${type}) (br_if 0 (local.get $a) (i32.const 1))))`);
    if (type === result) define(":same", `(local.set $a (${name} (local.get $a))) (local.get $a)`);
    if (result === "i32") {
      define(":if", `(if (result i32) (${name} (local.get $a)) (then (i32.const 10)) (else (i32.const 20)))`, "i32");
      define(":select", `(select (i32.const 3) (i32.const 4) (${name} (local.get $a)))`, "i32");
      define(
        ":not",
        `(if (result i32) (i32.eqz (${name} (local.get $a))) (then (i32.const 1)) (else (i32.const 2)))`,
        "i32",
      );
    }
    for (const edge of EDGES[type]) define(`:${edge}`, `(${name} (${type}.const ${edge}))`);
  }
  compareRuns(wasmOf(`(module ${functions.join("\n")})`), calls);
});

for (const type of ["i32", "i64"] as const) {
  test(`operators of two operands, ${type}`, () => {
    const functions: string[] = [];
    const calls: Call[] = [];
    for (const { name, operands, result } of operators.filter((operator) => isPlain(operator))) {
      if (operands.length !== 2 || operands[0] !== type) continue;
      const pairs = EDGES[type].flatMap((left) => EDGES[type].map((right) => [left, right]));
      const define = (suffix: string, body: string, results = result, given = pairs): void => {
        const header = `(param $a ${type}) (param $b ${type}) (result ${results}) (local $c ${type})`;
        functions.push(`(func (export "${name}${suffix}") ${header} ${body})`);
        for (const pair of given) calls.push({ name: name + suffix, args: pair });
      };
      const few = pairs.filter((_, i) => i % 7 === 0);
      const both = `(${name} (local.get $a) (local.get $b))`;
      define("", both);
      if (result === type) {
        define(":left", `(local.set $a ${both}) (local.get $a)`, result, few);
        define(":right", `(local.set $b ${both}) (local.get $b)`, result, few);
        define(
          ":other",
          `(local.set $c ${both}) (${type}.xor (local.get $c) (${type}.add (local.get $a) (local.get $b)))`,
          result,
          few,
        );
        define(":nested", `(${name} ${both} (${type}.add (local.get $a) (${type}.const 3)))`, result, few);
        define(
          ":deep",
          `(${type}.add (local.get $a) (${name} (${type}.add (local.get $a) (${type}.const 5)) (${name} (local.get $b) (${type}.or (local.get $a) (${type}.const 1)))))`,
          result,
          few,
        );
        define(":self", `(${name} (local.get $b) (local.get $b))`, result, few);
      } else {
        define(":if", `(if (result i32) ${both} (then (i32.const 1)) (else (i32.const 2)))`, "i32", few);
        define(":br_if", `(block (br_if 0 ${both}) (return (i32.const 7))) (i32.const 9)`, "i32", few);
        define(":eqz", `(block (br_if 0 (i32.eqz ${both})) (return (i32.const 7))) (i32.const 9)`, "i32", few);
        define(":select", `(i32.wrap_i64 (select (i64.const 5) (i64.const -6) ${both}))`, "i32", few);
      }
      for (const edge of EDGES[type]) {
        const some = EDGES[type].map((other) => [other, other]);
        define(`:constant right ${edge}`, `(${name} (local.get $a) (${type}.const ${edge}))`, result, some);
        define(`:constant left ${edge}`, `(${name} (${type}.const ${edge}) (local.get $a))`, result, some);
        if (result === type) continue;
        define(
          `:if ${edge}`,
          `(if (result i32) (${name} (${type}.const ${edge}) (local.get $a)) (then (i32.const 1)) (else (i32.const 2)))`,
          "i32",
          some,
        );
      }
    }
    compareRuns(wasmOf(`(module ${functions.join("\n")})`), calls);
  });
}
