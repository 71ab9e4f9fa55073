// Random modules natively and in V8: FLICKER_SEED=n tries one seed, FLICKER_ROUNDS=n that many from it on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareRuns } from "./native-run.js";
import { randomModule } from "./random-module.js";

const seed = Number(process.env["FLICKER_SEED"] ?? 1);
const rounds = Number(process.env["FLICKER_ROUNDS"] ?? (process.env["FLICKER_SEED"] === undefined ? 40 : 1));

test("random modules compute natively what they compute in V8", () => {
  for (let round = seed; round < seed + rounds; round++) {
    const { bytes, calls } = randomModule(round);
    assert.ok(WebAssembly.validate(bytes as BufferSource), `seed ${round} makes an invalid module`);
    compareRuns(bytes, calls, `seed ${round}:`);
  }
});
