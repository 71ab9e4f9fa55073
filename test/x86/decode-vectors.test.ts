// The decoder on vectors.txt: one instruction a line with the fields that it must have.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DecoderModule, type Fields } from "./decoder-module.js";

const vectors = readFileSync(fileURLToPath(new URL("vectors.txt", import.meta.url)), "utf8")
  .split("\n")
  .map((line, index) => ({ line, number: index + 1 }))
  .filter(({ line }) => line !== "" && !line.startsWith("#"))
  .map(({ line, number }) => {
    const [bytes, expected] = line.split(";").map((field) => field.trim()) as [string, string];
    return { line, number, bytes: Uint8Array.from(bytes.split(" "), (text) => parseInt(text, 16)), expected };
  });

let decoder: DecoderModule;
before(async () => {
  decoder = await DecoderModule.load();
});

test("vectors", () => {
  for (const { line, number, bytes, expected } of vectors) {
    const fields = decoder.decode(bytes);
    if (expected === "invalid") {
      assert.equal(fields, null, `vectors.txt:${number}: ${line}`);
      continue;
    }
    assert.ok(fields, `vectors.txt:${number}: invalid: ${line}`);
    for (const [name, value = "1"] of expected.split(" ").map((text) => text.split("=") as [keyof Fields, string?])) {
      assert.ok(name in fields, `vectors.txt:${number}: no field ${name}`);
      assert.equal(fields[name], Number(value), `vectors.txt:${number}: ${name}: ${line}`);
    }
  }
});

test("a cut-off instruction is invalid, and no byte past the end is read", () => {
  const { memory } = decoder;
  for (const { line, number, bytes, expected } of vectors) {
    for (let size = 0; size < bytes.length; size++) {
      // At the very end of linear memory a read past the end traps.
      const pointer = memory.length - size;
      memory.set(bytes.subarray(0, size), pointer);
      const length = decoder.exports.decode(pointer, size, decoder.instructions);
      if (expected !== "invalid") assert.equal(length, 0, `vectors.txt:${number}: ${size} bytes of ${line}`);
    }
  }
});

test("bytes behind an instruction do not change it", () => {
  for (const { line, number, bytes, expected } of vectors) {
    if (expected === "invalid") continue;
    for (const filler of [0x00, 0xff, 0x90]) {
      const longer = new Uint8Array(32).fill(filler);
      longer.set(bytes);
      assert.equal(decoder.decode(longer)?.length, bytes.length, `vectors.txt:${number}: ${line}`);
    }
  }
});
