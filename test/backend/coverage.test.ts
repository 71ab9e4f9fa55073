// No operator without a test: plain ones and memory accesses are tested from the table itself, the others by name.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { operators, type Operator } from "../../src/backend/wasm/opcodes.js";

const folder = import.meta.dirname ?? join(process.cwd(), "test/backend");

/** Files that go through the whole table, and the operators that they take from it. */
const byTable: readonly (readonly [file: string, takes: (operator: Operator) => boolean])[] = [
  ["operators.test.ts", ({ typed, immediate, operands }) => typed && immediate === "none" && operands.length > 0],
  ["traps.test.ts", ({ immediate }) => immediate === "memory"],
];

/** In the text format `else` is an arm and `end` a parenthesis. */
const UNWRITTEN: Record<string, string> = { else: "(else", end: "(block", select_t: "select" };

test("every operator of the table has a test", () => {
  const texts = ["control-flow.test.ts", "floats.test.ts", "traps.test.ts", "memory.test.ts", "random-module.ts"].map(
    (file) => readFileSync(join(folder, file), "utf8"),
  );
  for (const operator of operators) {
    if (byTable.some(([, takes]) => takes(operator))) continue;
    const written = UNWRITTEN[operator.name] ?? operator.name;
    const isTested = texts.some((text) => text.includes(written)) || /^[if](32|64)\.const$/.test(operator.name);
    assert.ok(isTested, `${operator.name} is in no test`);
  }
});
