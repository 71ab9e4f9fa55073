// What is said about expressions that are wrong, and where the message points: errors.vectors.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compileMatch, MatchError } from "../../src/match/compile.js";
import { TEXTS_OF_A_FILE } from "../../src/host/matching.js";

function errorOf(text: string, texts = TEXTS_OF_A_FILE): MatchError {
  try {
    compileMatch(text, texts);
  } catch (error) {
    if (error instanceof MatchError) return error;
    throw error;
  }
  return assert.fail(`${text} is accepted`);
}

test("each mistake is named and pointed at", () => {
  const lines = readFileSync("test/match/errors.vectors", "utf8").split("\n");
  const vectors = lines.filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of vectors) {
    const [, text, dots, reason] = /^(.*?) ; (\.*\^~*) ; (.*)$/.exec(line) ?? assert.fail(line);
    const marks = dots!.replaceAll(".", " ");
    const error = errorOf(text!);
    const column = Array.from(marks).length - marks.trimStart().length + 1;
    assert.equal(error.message, `--match, column ${column}: ${reason}\n  ${text}\n  ${marks}`);
    assert.equal(error.column, column);
  }
});

test("an expression of several lines: the line that is wrong is shown", () => {
  const error = errorOf("load\n\tand strore\nand jump");
  assert.equal(error.message.split("\n").slice(1).join("\n"), "  \tand strore\n  \t    ^~~~~~");
});

test("nothing at all", () => {
  assert.match(errorOf("  ").message, /the expression is empty; all matches every instruction/);
});

test("texts that nobody can supply are refused where they stand", () => {
  const error = errorOf('load and asm ~ "x"', ["file"]);
  assert.equal(error.column, 10);
  assert.match(error.reason, /^asm is text that only flicker inspect makes/);
  assert.match(errorOf("function == main", []).reason, /^function is not known here/);
  assert.doesNotThrow(() => compileMatch("function == main and file == libc"));
  assert.throws(() => compileMatch("asm contains x"), MatchError);
  assert.throws(() => compileMatch("call and target.function == malloc"), MatchError);
});

test("expressions that nest or repeat without end are refused, not a crash", () => {
  assert.match(errorOf("(".repeat(5000)).reason, /parentheses and negations/);
  assert.match(errorOf("not ".repeat(5000) + "load").reason, /parentheses and negations/);
  assert.match(errorOf('asm ~ "((a{99}){99}){99}"').reason, /too large|states/);
  assert.match(errorOf('asm ~ "(a|b)*a(a|b){14}"').reason, /states/);
  compileMatch(Array.from({ length: 1000 }, (_, i) => `size == ${i}`).join(" or "));
});
