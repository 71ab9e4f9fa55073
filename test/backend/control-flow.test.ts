// Control flow that the compiler rearranges: conditions decided early, loops whose top is repeated at their end, results
// that meet in a local's register, long jumps, tables.

import { test } from "node:test";
import binaryen from "binaryen";
import assert from "node:assert/strict";
import { compareRuns, type Call } from "./native-run.js";

function wasmOf(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  assert.ok(module.validate(), text);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

test("conditions of comparisons, in every branch", () => {
  const a = "(i32.lt_s (local.get $a) (i32.const 3))";
  const b = "(i32.gt_u (local.get $b) (local.get $a))";
  const c = "(i64.eqz (i64.extend_i32_u (i32.and (local.get $c) (i32.const 1))))";
  const load = "(i32.load8_u (i32.and (local.get $c) (i32.const 15)))";
  const conditions: string[] = [];
  for (const [x, y] of [
    [a, b],
    [b, c],
    [c, a],
  ] as const) {
    for (const operator of ["and", "or"]) {
      const two = `(i32.${operator} ${x} ${y})`;
      conditions.push(two, `(i32.eqz ${two})`, `(i32.eqz (i32.eqz ${two}))`, `(i32.${operator} ${x} ${load})`);
      for (const outer of ["and", "or", "xor"]) {
        conditions.push(
          `(i32.${outer} ${two} ${c})`,
          `(i32.${outer} ${c} ${two})`,
          `(i32.eqz (i32.${outer} ${two} ${a}))`,
        );
        conditions.push(`(i32.${outer} (i32.eqz ${two}) ${b})`, `(i32.${outer} ${two} (i32.${operator} ${c} ${a}))`);
      }
    }
  }
  const functions: string[] = [];
  const calls: Call[] = [];
  const define = (body: string): void => {
    const name = `f${functions.length}`;
    functions.push(
      `(func (export "${name}") (param $a i32) (param $b i32) (param $c i32) (result i32) (local $n i32) ${body})`,
    );
    for (const x of [0, 3, 7]) for (const y of [0, 5]) for (const z of [0, 1]) calls.push({ name, args: [x, y, z] });
  };
  for (const condition of conditions) {
    define(`(if (result i32) ${condition} (then (i32.const 1)) (else (i32.const 2)))`);
    define(`(if ${condition} (then (return (i32.const 3)))) (i32.const 4)`);
    define(`(block $out (br_if $out ${condition}) (return (i32.const 5))) (i32.const 6)`);
    define(`(block $out (br_if $out ${condition}) (local.set $n (i32.const 9))) (i32.add (local.get $n) (local.get $a))`);
    define(`(i32.add (i32.mul (local.get $a) (local.get $b)) (block (result i32) (block $out (br_if $out ${condition}) (return (i32.const 5))) (i32.const 6)))`);
    define(`(select (i32.const 7) (i32.const 8) ${condition})`);
    define(condition);
    const count =
      "(local.set $n (i32.add (local.get $n) (i32.const 1))) (local.set $a (i32.add (local.get $a) (i32.const 1)))";
    const stop = "(br_if $out (i32.gt_u (local.get $n) (i32.const 20)))";
    define(`(block $out (loop $l (if ${condition} (then ${stop} ${count} (br $l))))) (local.get $n)`);
    define(`(block $out (loop $l (br_if $out ${condition}) ${stop} ${count} (br $l))) (local.get $n)`);
    define(`(block $out (loop $l (block $in (br_if $in ${condition}) ${stop} ${count} (br $l)) ${stop} ${count} (if (i32.and (local.get $n) (i32.const 1)) (then (br $l))))) (local.get $n)`);
    define(`(block $out (loop $l (if ${condition} (then ${stop} ${count} (if (i32.and (local.get $a) (i32.const 2)) (then (br $l))) ${count} (br $l)) (else ${stop} ${count} (br $l))))) (local.get $n)`);
    define(`(loop $l (if ${condition} (then ${count} (if (i32.gt_u (local.get $n) (i32.const 20)) (then (return (local.get $a)))) (br $l)))) (local.get $n)`);
  }
  compareRuns(
    wasmOf(`(module (memory (export "memory") 1 1) (data (i32.const 0) "\\00\\01\\02") ${functions.join("\n")})`),
    calls,
  );
});

test("jumps over more than 127 bytes, forward and back", () => {
  const functions: string[] = [];
  const calls: Call[] = [];
  for (let size = 10; size < 40; size++) {
    const filler = "(global.set $g (i64.add (global.get $g) (i64.const 0x123456789)))".repeat(size >> 1);
    const name = `f${size}`;
    functions.push(`(func (export "${name}") (param $a i32) (result i64)
      (loop $l
        (block $skip (br_if $skip (i32.and (local.get $a) (i32.const 1))) ${filler}
          (block $far (br_if $far (i32.and (local.get $a) (i32.const 2))) ${filler}))
        (local.set $a (i32.sub (local.get $a) (i32.const 1)))
        (br_if $l (i32.gt_s (local.get $a) (i32.const 0))))
      (global.get $g))`);
    calls.push({ name, args: [9] });
  }
  compareRuns(wasmOf(`(module (global $g (mut i64) (i64.const 0)) ${functions.join("\n")})`), calls);
});

test("tables: br_table with and without a value, call_indirect with wrong index and wrong type", () => {
  const cases = Array.from({ length: 6 }, (_, i) => `$b${i}`);
  const open = cases.map((label) => `(block ${label} (result i32)`).join(" ");
  const close = cases.map((_, i) => `) (i32.const ${i + 1}) (i32.mul) `).join("");
  const text = `(module
    (type $one (func (param i32) (result i32)))
    (type $two (func (param i32 i64) (result i64)))
    (table 6 funcref)
    (elem (i32.const 1) $double $sum $negate)
    (func $double (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
    (func $negate (param i32) (result i32) (i32.sub (i32.const 0) (local.get 0)))
    (func $sum (param i32 i64) (result i64) (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1)))
    (func (export "one") (param i32 i32) (result i32) (call_indirect (type $one) (local.get 1) (local.get 0)))
    (func (export "two") (param i32 i32) (result i64)
      (i64.mul (i64.const 3) (call_indirect (type $two) (local.get 1) (i64.const -9) (local.get 0))))
    (func (export "plain") (param i32) (result i32)
      (block $d (block $c (block $b (block $a (br_table $a $b $c $a $d (local.get 0))) (return (i32.const 10)))
        (return (i32.const 11))) (return (i32.const 12))) (i32.const 13))
    (func (export "valued") (param i32) (result i32) ${open} (br_table ${cases.join(" ")} (i32.add (local.get 0) (i32.const 100)) (local.get 0)) ${close.replaceAll("(i32.mul)", "i32.mul").replaceAll(/\(i32\.const (\d+)\)/g, "i32.const $1")})
    (func (export "constant") (result i32) (call_indirect (type $one) (i32.const 21) (i32.const 1)))
  )`;
  const calls: Call[] = [{ name: "constant", args: [] }];
  for (const index of [0, 1, 2, 3, 4, 5, 6, 7, -1, 0x7fffffff, 1000]) {
    calls.push({ name: "one", args: [index, 5] }, { name: "two", args: [index, 5] }, { name: "plain", args: [index] });
    calls.push({ name: "valued", args: [index] });
  }
  compareRuns(wasmOf(text), calls);
});
