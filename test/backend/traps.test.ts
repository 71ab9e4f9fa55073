// What hooks are compiled with: accesses are checked against memory's size, memory.grow fails, and every trap has an
// address of its own that says where it is and what it means.

import assert from "node:assert/strict";
import { test } from "node:test";
import { operators } from "../../src/backend/wasm/opcodes.js";
import { readModule } from "../../src/backend/wasm/reader.js";
import { Assembler } from "../../src/backend/x64/assembler.js";
import { compileModule } from "../../src/backend/x64/compile.js";
import { HOOK_OPTIONS, compareRuns, type Call } from "./native-run.js";
import { wasmOf } from "./wasm-text.js";

test("accesses at the end of memory and behind it", () => {
  const functions: string[] = [];
  const calls: Call[] = [];
  const value = { i32: 7, i64: -9n, f32: 0, f64: 0 };
  for (const { name, immediate, operands, result } of operators) {
    if (immediate !== "memory") continue;
    const isFloatValue = operands.slice(1).some((type) => type.startsWith("f"));
    const constants = operands
      .slice(1)
      .map((type) => (type.startsWith("f") ? `(${type}.const 1.5)` : `(${type}.const ${value[type]})`));
    const drop = result === null ? "" : "drop";
    assert.ok(isFloatValue || constants.length === operands.length - 1);
    for (const offset of [0, 8, 65528, 65536, 0x7ffffff8, 0xfffffff8]) {
      functions.push(
        `(func (export "${name} ${offset}") (param i32) (${drop || "block"} (${name} offset=${offset} (local.get 0) ${constants.join(" ")})))`,
        `(func (export "${name} ${offset} sum") (param i32) (${drop || "block"} (${name} offset=${offset} (i32.add (i32.shl (i32.and (local.get 0) (i32.const 0xffff)) (i32.const 3)) (i32.const 64)) ${constants.join(" ")})))`,
        `(func (export "${name} ${offset} constant") (${drop || "block"} (${name} offset=${offset} (i32.const 65520) ${constants.join(" ")})))`,
      );
      for (const address of [0, 8, 65520, 65528, 65536, 131072, -8, 0x7ffffff8, -65536]) {
        calls.push({ name: `${name} ${offset}`, args: [address] }, { name: `${name} ${offset} sum`, args: [address] });
        if (name.includes("atomic")) continue;
        for (const near of [1, 2, 4, 7]) calls.push({ name: `${name} ${offset}`, args: [address - near] });
      }
      calls.push({ name: `${name} ${offset} constant`, args: [] });
    }
  }
  compareRuns(wasmOf(`(module (memory (export "memory") 1 1) ${functions.join("\n")})`), calls, "", HOOK_OPTIONS);
});

test("loads in a condition that is decided early still trap", () => {
  const text = `(module (memory (export "memory") 1 1) (func (export "f") (param i32 i32) (result i32)
    (if (result i32) (i32.and (i32.eqz (local.get 0)) (i32.eq (i32.load8_u (local.get 1)) (i32.const 0)))
      (then (i32.const 1)) (else (i32.const 2)))))`;
  const calls = [0, 1].flatMap((a) => [0, 65535, 65536].map((b) => ({ name: "f", args: [a, b] })));
  compareRuns(wasmOf(text), calls, "", HOOK_OPTIONS);
});

test("bulk memory: ranges, passive segments, segments that are dropped; memory.grow", () => {
  const functions = [
    `(data $passive "abcdefghijklmnop") (data $active (i32.const 32) "ABCD")`,
    `(func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))`,
    `(func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))`,
    `(func (export "init") (param i32 i32 i32) (memory.init $passive (local.get 0) (local.get 1) (local.get 2)))`,
    `(func (export "gone") (param i32 i32 i32) (memory.init $active (local.get 0) (local.get 1) (local.get 2)))`,
    `(func (export "drop") (data.drop $passive) (data.drop $active))`,
    `(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))`,
    `(func (export "size") (result i32) (memory.size))`,
  ];
  const calls: Call[] = [
    { name: "grow", args: [1] },
    { name: "grow", args: [-1] },
    { name: "size", args: [] },
  ];
  const ranges = () => {
    for (const [to, from, size] of [
      ...[
        [100, 0, 16],
        [200, 3, 4],
        [0, 16, 0],
        [0, 17, 0],
        [0, 10, 7],
        [65530, 0, 6],
        [65530, 0, 7],
        [65536, 0, 0],
      ],
      ...[
        [65537, 0, 0],
        [-1, 0, 1],
        [0, -1, 1],
        [0, 0, -1],
        [-1, -1, -1],
        [65536, 16, 0],
        [0, 65530, 7],
        [8, 65530, 6],
      ],
    ] as [number, number, number][]) {
      for (const name of ["init", "gone", "copy", "fill"]) calls.push({ name, args: [to, from, size] });
    }
  };
  ranges();
  calls.push({ name: "drop", args: [] });
  ranges();
  compareRuns(wasmOf(`(module (memory (export "memory") 1 1) ${functions.join("\n")})`), calls, "", HOOK_OPTIONS);
});

test("each trap says which instruction of which function it is, and why", () => {
  const wasm = wasmOf(`(module (memory 1 1) (table 2 funcref) (type $t (func (result i32)))
    (func $gives (export "gives") unreachable)
    (func $reads (export "reads") (param i32) (result i32) (i32.add (i32.load (local.get 0)) (i32.load8_u (local.get 0))))
    (func $divides (export "divides") (param i32 i32) (result i32) (i32.div_s (local.get 0) (i32.rem_u (local.get 0) (local.get 1))))
    (func $converts (export "converts") (param f64) (result i32) (i32.trunc_f64_u (local.get 0)))
    (func $calls (export "calls") (param i32) (result i32) (call_indirect (type $t) (local.get 0))))`);
  const assembler = new Assembler();
  const { traps } = compileModule(assembler, readModule(wasm), HOOK_OPTIONS);
  assert.deepEqual(
    traps.map(({ site }) => `${site.function}: ${site.kind}`),
    [
      ...["gives: unreachable", "reads: out of bounds", "reads: out of bounds"],
      ...["divides: division by zero", "divides: division by zero", "divides: division overflow"],
      ...[
        "converts: conversion out of range",
        "calls: table index out of bounds",
        "calls: indirect call of another type",
      ],
    ],
  );
  assembler.finish();
  const text = assembler.sections[0].bytes;
  const opcodes = new Map([
    ...[
      ["unreachable", [0x00]],
      ["reads", [0x28, 0x2d]],
      ["divides", [0x6d, 0x70]],
      ["converts", [0xab]],
      ["calls", [0x11]],
    ],
    ["gives", [0x00]],
  ] as [string, number[]][]);
  for (const { at, site } of traps) {
    assert.deepEqual([text[at], text[at + 1]], [0x0f, 0x0b], `ud2: ${site.function}: ${site.kind}`);
    assert.ok(opcodes.get(site.function)?.includes(wasm[site.offset] as number), `${site.function}: ${site.kind}`);
  }
  assert.equal(new Set(traps.map(({ at }) => at)).size, traps.length);
});
