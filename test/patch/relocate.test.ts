// One instruction at a time into a trampoline: bytes from the SDM (relocate.vectors), meaning from iced-x86.

import { Decoder, DecoderOptions, Instruction, OpKind } from "iced-x86";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { linearBoundaries } from "./checker.js";
import { Planner } from "./planner-module.js";

const FROM = 0x400000n;
const TO = 0x10000000n;

let planner: Planner;
before(async () => {
  planner = await Planner.create();
});

function relocate(bytes: Uint8Array, from: bigint, to: bigint): Uint8Array | undefined {
  const mark = planner.exports.temporaryMark();
  const source = planner.exports.allocateTemporary(16);
  const target = planner.exports.allocateTemporary(32);
  planner.bytes(source, 16).fill(0x90);
  planner.bytes(source, 16).set(bytes);
  const size = planner.exports.relocateOne(source, 16, from, target, to);
  const out = planner.bytes(target, size).slice();
  planner.exports.releaseTemporary(mark);
  return size === 0 ? undefined : out;
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
const fromHex = (text: string): Uint8Array => Uint8Array.from(text.trim().split(/\s+/), (byte) => parseInt(byte, 16));

function decode(bytes: Uint8Array, address: bigint): Instruction {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = address;
  return decoder.decode();
}

/** What an instruction means that depends on its place. */
function placesOf(instruction: Instruction): bigint[] {
  const places: bigint[] = [];
  if (instruction.isIpRelMemoryOperand) places.push(instruction.ipRelMemoryAddress);
  if (instruction.opCount > 0 && instruction.op0Kind === OpKind.NearBranch64) places.push(instruction.nearBranchTarget);
  return places;
}

const vectors = readFileSync(new URL("relocate.vectors", import.meta.url), "utf8")
  .split("\n")
  .map((text) => text.replace(/#.*/, "").trim())
  .filter((text) => text !== "")
  .map((text) => text.split(";").map((part) => part.trim()) as [string, string]);

for (const [bytes, expected] of vectors) {
  test(`${bytes} becomes ${expected}`, () => {
    const relocated = relocate(fromHex(bytes), FROM, TO);
    assert.equal(relocated ? hex(relocated) : "refused", expected);
    if (!relocated) return;
    const original = decode(fromHex(bytes), FROM);
    const moved = decode(relocated, TO);
    if (original.isLoop || original.isLoopcc || original.isJcxShort) {
      const falls = TO + BigInt(moved.length);
      const next = decode(relocated.subarray(moved.length), falls).nearBranchTarget;
      assert.equal(next, FROM + BigInt(original.length));
      const taken = Number(moved.nearBranchTarget - TO);
      assert.equal(decode(relocated.subarray(taken), TO + BigInt(taken)).nearBranchTarget, original.nearBranchTarget);
      assert.equal(moved.code, original.code);
      return;
    }
    assert.deepEqual(placesOf(moved), placesOf(original));
    assert.equal(moved.mnemonic, original.mnemonic);
  });
}

test("what is out of reach is refused", () => {
  const far = FROM + 0x100000000n;
  for (const bytes of ["48 8d 35 00 01 00 00", "eb 10", "74 10", "e2 10", "c7 f8 00 01 00 00"]) {
    assert.equal(relocate(fromHex(bytes), FROM, far), undefined, bytes);
  }
});

test("every instruction of a stretch of compiled code that moves means the same", () => {
  // Node's own executable: any of this size would do.
  const file = readFileSync(process.execPath);
  const start = file.length >> 1;
  const code = file.subarray(start, start + 0x20000);
  let moved = 0;
  for (const { offset, length } of linearBoundaries(code, FROM)) {
    const bytes = code.subarray(offset, offset + length);
    const from = FROM + BigInt(offset);
    const relocated = relocate(bytes, from, TO);
    if (!relocated) continue;
    const original = decode(bytes, from);
    const copy = decode(relocated, TO);
    if (!original.isLoop && !original.isLoopcc && !original.isJcxShort) {
      if (original.mnemonic !== copy.mnemonic) assert.fail(`${hex(bytes)} became ${hex(relocated)}`);
      const [was, is] = [placesOf(original), placesOf(copy)];
      if (was.length !== is.length || was.some((place, i) => place !== is[i])) {
        assert.fail(`${hex(bytes)} at 0x${from.toString(16)} became ${hex(relocated)}: it means another place`);
      }
    }
    moved += 1;
    original.free();
    copy.free();
  }
  assert(moved > 10_000, `${moved} instructions moved`);
});
