// docs/decoder.md lists every difference of differences.ts with the same words.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";
import { ICED_FACTS, ICED_FIELDS, LLVM_LENGTHS, LLVM_OPCODES, OBJDUMP_LENGTHS } from "./differences.js";

test("docs/decoder.md names every difference", () => {
  const rows = readFileSync(join(packageRoot, "docs/decoder.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => cell.trim().replaceAll("\\", "")),
    );
  for (const { name, manual } of [
    ...ICED_FIELDS,
    ...ICED_FACTS,
    ...OBJDUMP_LENGTHS,
    ...LLVM_LENGTHS,
    ...LLVM_OPCODES,
  ]) {
    assert.ok(
      rows.some(([cell, text]) => cell === name && text === manual.replaceAll("\\", "")),
      `docs/decoder.md has no row: | ${name} | ${manual} |`,
    );
  }
});
