// src/engine/x86/opcode-tables.ts and fact-tables.ts are what tools/gen-opcodes.ts and tools/gen-facts.ts make of
// opcodes.txt.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FACT_TABLES, generateFacts } from "../../tools/gen-facts.js";
import { TABLES, generateTables } from "../../tools/gen-opcodes.js";

test("the decoder's tables are up to date", async () => {
  assert.ok((await generateTables()) === readFileSync(TABLES, "utf8"), "run: node --import tsx tools/gen-opcodes.ts");
});

test("the fact tables are up to date", async () => {
  assert.ok((await generateFacts()) === readFileSync(FACT_TABLES, "utf8"), "run: node --import tsx tools/gen-facts.ts");
});
