// What must not get into a launcher is refused when it is built, with a message that says where it comes from.

import assert from "node:assert/strict";
import { test } from "node:test";
import binaryen from "binaryen";
import { buildLauncher } from "../../src/backend/build-launcher.js";
import { LinkError } from "../../src/backend/elf/launcher-image.js";
import { WasmError, readModule } from "../../src/backend/wasm/reader.js";
import { rax, type Assembler } from "../../src/backend/x64/assembler.js";

function wasmOf(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  // Names, so that messages can be checked for them.
  binaryen.setDebugInfo(true);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

const start = (a: Assembler): void => {
  a.global("_start");
  a.ret();
};

const refusals: [what: string, text: string, message: RegExp][] = [
  ["growing memory", "(module (memory 1) (func $grows (drop (memory.grow (i32.const 1)))))", /grows.*memory\.grow/],
  [
    "a start function that calls",
    "(module (func $f) (start $s) (func $s (call $f)))",
    /start function, whose instruction 0 is call/,
  ],
  [
    "an unknown import",
    '(module (import "env" "print" (func (param i32))))',
    /import of function env\.print is not known/,
  ],
  ["an unknown intrinsic", '(module (import "process" "peek128" (func)))', /process\.peek128 is not known/],
  [
    "an intrinsic of another type",
    '(module (import "process" "peek8" (func (param i32) (result i32))))',
    /\(i64\) -> \(i32\)/,
  ],
  ["an imported memory", '(module (import "env" "memory" (memory 1)))', /import of memory env\.memory/],
  [
    "floating point operators",
    "(module (func $half (result i32) (i32.trunc_f32_s (f32.const 0.5))))",
    /half.*floating point/,
  ],
  ["floating point locals", "(module (func $floats (local f64)))", /floats uses f64: floating point/],
  ["floating point globals", "(module (global f32 (f32.const 1)))", /global 0 uses f32/],
  ["SIMD", "(module (func $wide (drop (i8x16.splat (i32.const 0)))))", /wide.*SIMD/],
  ["exceptions", "(module (tag $t) (func $throws (throw $t)))", /throws.*exceptions/],
  ["tail calls", "(module (func $f) (func $tail (return_call $f)))", /tail.*tail calls/],
  ["references", "(module (func $refs (drop (ref.is_null (ref.null func)))))", /refs.*references/],
  ["changing tables", "(module (table 1 funcref) (func $sets (table.set (i32.const 0) (ref.null func))))", /sets/],
  [
    "atomic wait",
    "(module (memory 1 1 shared) (func $waits (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))))",
    /waits.*futex/,
  ],
];

for (const [what, text, message] of refusals) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => buildLauncher(wasmOf(text), start),
      (error) => error instanceof WasmError && message.test(error.message),
    );
  });
}

test("a start function of constants becomes initial values", () => {
  const text = `(module (global $a (mut i64) (i64.const 1)) (global $b (mut i32) (i32.const 2))
    (start $s) (func $s (global.set $a (i64.const -7)) (global.set $b (i32.const 9))))`;
  assert.doesNotThrow(() => buildLauncher(wasmOf(text), start));
});

test("says which symbols the gates leave undefined", () => {
  const gates = (a: Assembler): void => {
    start(a);
    a.call("engine.missing");
    a.lea(rax, "nowhere");
  };
  assert.throws(
    () =>
      buildLauncher(
        wasmOf(
          '(module (import "gates" "gateNone" (func $g (result i64))) (func (export "f") (result i64) (call $g)))',
        ),
        gates,
      ),
    (error) => error instanceof LinkError && /engine\.missing, gateNone, nowhere$/.test(error.message),
  );
  assert.throws(() => buildLauncher(wasmOf("(module)"), () => {}), /_start/);
});

test("bytes that are no module", () => {
  assert.throws(() => readModule(new Uint8Array([1, 2, 3])), WasmError);
  const wasm = wasmOf('(module (memory 1) (func (export "f") (result i32) (i32.load (i32.const 5))))');
  for (let size = 0; size < wasm.length; size++) {
    try {
      readModule(wasm.subarray(0, size));
    } catch (error) {
      assert.ok(error instanceof WasmError, `cut to ${size} bytes: ${String(error)}`);
    }
  }
});
