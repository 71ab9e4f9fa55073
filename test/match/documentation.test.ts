// docs/matching.md has the names of src/match/names.ts, and its examples are expressions.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TEXTS_OF_A_FILE } from "../../src/host/matching.js";
import { compileMatch } from "../../src/match/compile.js";
import { generateMatching, MATCHING_PAGE } from "../../tools/gen-matching.js";

const page = readFileSync(MATCHING_PAGE, "utf8");

test("the tables of names are up to date", async () => {
  assert.ok((await generateMatching()) === page, "run: node --import tsx tools/gen-matching.ts");
});

test("the examples compile", () => {
  const table = page.slice(0, page.indexOf("## Comparing"));
  const examples = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, text]) => text!);
  assert.ok(examples.length > 10);
  for (const example of examples) compileMatch(example, TEXTS_OF_A_FILE);
});

test("the grammar is that of grammar.ts", () => {
  const source = readFileSync("src/match/grammar.ts", "utf8");
  const drawn = source.match(/\/\/ {3}expression {2}=[\s\S]*?operand {5}=.*\n/)![0].replace(/^\/\/ {3}/gm, "");
  assert.ok(page.includes(drawn));
});
