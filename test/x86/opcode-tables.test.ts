// src/engine/x86/opcode-tables.ts is what tools/gen-opcodes.ts makes of opcodes.txt.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TABLES, generateTables } from "../../tools/gen-opcodes.js";

test("the generated tables are up to date", async () => {
  assert.ok((await generateTables()) === readFileSync(TABLES, "utf8"), "run: node --import tsx tools/gen-opcodes.ts");
});
