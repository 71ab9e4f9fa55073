// Random modules natively and in V8: FLICKER_SEED=n tries one seed, FLICKER_ROUNDS=n that many from it on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HOOK_OPTIONS, compareRuns } from "./native-run.js";
import { randomModule } from "./random-module.js";

const seed = Number(process.env["FLICKER_SEED"] ?? 1);
const rounds = Number(process.env["FLICKER_ROUNDS"] ?? (process.env["FLICKER_SEED"] === undefined ? 40 : 1));

for (const [what, floats] of [
  ["random modules of integers", false],
  ["random modules with floats and bounds", true],
] as const) {
  test(`${what} compute natively what they compute in V8`, () => {
    for (let round = seed; round < seed + rounds; round++) {
      const { bytes, calls } = randomModule(round, floats);
      assert.ok(WebAssembly.validate(bytes as BufferSource), `seed ${round} makes an invalid module`);
      compareRuns(bytes, calls, `seed ${round}:`, floats ? HOOK_OPTIONS : undefined);
    }
  });
}
