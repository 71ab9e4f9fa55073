// src/engine/x86/opcode-tables.ts, fact-tables.ts and src/match/mnemonics.ts are what tools/gen-opcodes.ts and
// tools/gen-facts.ts make of opcodes.txt.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FACT_TABLES, MNEMONIC_TABLE, generateFacts } from "../../tools/gen-facts.js";
import { TABLES, generateTables } from "../../tools/gen-opcodes.js";

test("the decoder's tables are up to date", async () => {
  assert.ok((await generateTables()) === readFileSync(TABLES, "utf8"), "run: node --import tsx tools/gen-opcodes.ts");
});

test("the fact tables and the mnemonics are up to date", async () => {
  const { tables, mnemonics } = await generateFacts();
  assert.ok(tables === readFileSync(FACT_TABLES, "utf8"), "run: node --import tsx tools/gen-facts.ts");
  assert.ok(mnemonics === readFileSync(MNEMONIC_TABLE, "utf8"), "run: node --import tsx tools/gen-facts.ts");
});
