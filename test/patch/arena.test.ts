// The engine's memory for records: both ends, what a release gives back, and the end of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Planner } from "./planner-module.js";

test("lasting memory is zero, aligned and never handed out twice", async () => {
  const { exports, bytes } = await Planner.create().then((planner) => ({
    exports: planner.exports,
    bytes: planner.bytes.bind(planner),
  }));
  const taken: number[] = [];
  for (const [size, align] of [
    [3, 1],
    [8, 8],
    [1, 64],
    [4096, 16],
    [24, 8],
  ] as const) {
    const pointer = exports.allocate(size, align);
    assert.equal(pointer % align, 0);
    assert(bytes(pointer, size).every((byte) => byte === 0));
    bytes(pointer, size).fill(0xff);
    for (const other of taken) assert(pointer > other);
    taken.push(pointer + size - 1);
  }
});

test("temporary memory comes back, and lasting memory in its place is zero", async () => {
  const planner = await Planner.create();
  const { exports } = planner;
  const before = exports.remaining();
  const mark = exports.temporaryMark();
  const pointer = exports.allocateTemporary(100_000);
  assert.equal(pointer % 16, 0);
  planner.bytes(pointer, 100_000).fill(0xff);
  assert(exports.remaining() <= before - 100_000);
  exports.releaseTemporary(mark);
  assert.equal(exports.remaining(), before);
  const all = exports.allocate(exports.remaining(), 1);
  assert(planner.bytes(all, before).every((byte) => byte === 0));
});

test("when it is out, both ends say so and nothing is lost", async () => {
  const { exports } = await Planner.create();
  const free = exports.remaining();
  assert.equal(exports.allocate(free + 1, 1), 0);
  assert.equal(exports.allocateTemporary(free + 1), 0);
  assert.equal(exports.allocateTemporary(0xffffffff), 0);
  assert.equal(exports.allocate(0xffffffff, 8), 0);
  assert.equal(exports.remaining(), free);
  assert.notEqual(exports.allocate(free, 1), 0);
  assert.equal(exports.remaining(), 0);
  assert.equal(exports.allocate(1, 1), 0);
  assert.equal(exports.allocateTemporary(1), 0);
});
