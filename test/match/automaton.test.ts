// Regular expressions against ECMAScript's own: random patterns on random texts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accepts, compileAny, compilePattern, escapePattern } from "../../src/match/automaton.js";
import { Random } from "../x86/random-code.js";

const ATOMS = [
  "a",
  "b",
  "c",
  ".",
  "[ab]",
  "[^a]",
  "[a-c]",
  "\\w",
  "\\d",
  "\\s",
  "\\.",
  "x",
  " ",
  "\\x61",
  "0",
  "^",
  "$",
];

function randomPattern(random: Random, depth: number): string {
  const kind = depth === 0 ? 0 : random.below(6);
  if (kind <= 1) return random.pick(ATOMS);
  if (kind === 2) return randomPattern(random, depth - 1) + randomPattern(random, depth - 1);
  if (kind === 3) return `(${randomPattern(random, depth - 1)}|${randomPattern(random, depth - 1)})`;
  const quantifier = random.pick(["*", "+", "?", "{2}", "{1,3}", "{0,1}", "*?", "{2,}"]);
  return `(?:${randomPattern(random, depth - 1)})${quantifier}`;
}

function randomText(random: Random): string {
  return Array.from({ length: random.below(9) }, () => random.pick(["a", "b", "c", "x", " ", ".", "0"])).join("");
}

test("random patterns agree with ECMAScript", () => {
  const seed = Number(process.env["FLICKER_FUZZ_SEED"] ?? 5);
  const random = new Random(seed);
  for (let round = 0; round < 2000; round++) {
    const pattern = randomPattern(random, 4);
    const ignoreCase = random.oneIn(4);
    const expected = new RegExp(pattern, ignoreCase ? "i" : "");
    const automaton = compilePattern(pattern, ignoreCase);
    for (let i = 0; i < 12; i++) {
      const text = ignoreCase ? randomText(random).toUpperCase() : randomText(random);
      assert.equal(accepts(automaton, text), expected.test(text), `seed ${seed}: /${pattern}/ on "${text}"`);
    }
  }
});

test("texts outside of ASCII, and texts as patterns", () => {
  assert.ok(accepts(compilePattern("^naïve$", false), "naïve"));
  assert.ok(!accepts(compilePattern("^naïve$", false), "naive"));
  for (const text of ["a.b*c", "(x)", "[y]", "^$", "a\\b", "x{2}", "a/b"]) {
    assert.ok(accepts(compilePattern(`^${escapePattern(text)}$`, false), text), text);
  }
  const either = compileAny(["^a$", "^bc$"]);
  assert.deepEqual(
    ["a", "bc", "abc", "b"].map((text) => accepts(either, text)),
    [true, true, false, false],
  );
});
