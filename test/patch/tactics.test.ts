// Each tactic on the smallest code that needs it (tactics.vectors), checked by shape and by the checker.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PROT_EXEC, PROT_READ } from "../../src/host/simulated-process.js";
import { checkPatched, linearBoundaries } from "./checker.js";
import { Planner } from "./planner-module.js";

interface Vector {
  line: number;
  fate: string;
  address: bigint;
  code: Uint8Array;
  sites: number[];
  locked: number[];
  becomes: string[];
}

function parse(text: string, line: number): Vector {
  const [fate, address, code, becomes] = text.split(";").map((part) => part.trim());
  const bytes: number[] = [];
  const sites: number[] = [];
  const locked: number[] = [];
  let isLocked = false;
  for (const [token] of code!.matchAll(/[[\]{}]|[0-9a-f]{2}/g)) {
    if (token === "[") sites.push(bytes.length);
    else if (token === "{") isLocked = true;
    else if (token === "}") isLocked = false;
    else if (token !== "]") {
      if (isLocked) locked.push(bytes.length);
      bytes.push(parseInt(token, 16));
    }
  }
  return {
    line,
    fate: fate!,
    address: BigInt(`0x${address}`),
    code: Uint8Array.from(bytes),
    sites,
    locked,
    becomes: becomes!.split(/\s+/),
  };
}

const vectors = readFileSync(new URL("tactics.vectors", import.meta.url), "utf8")
  .split("\n")
  .map((text, i) => ({ text, line: i + 1 }))
  .filter(({ text }) => text.trim() !== "" && !text.startsWith("#"))
  .map(({ text, line }) => parse(text, line));

for (const vector of vectors) {
  test(`tactics.vectors:${vector.line}: ${vector.fate}`, async () => {
    const planner = await Planner.create();
    planner.process.map(vector.address, vector.code.length, PROT_READ | PROT_EXEC, vector.code);
    const boundaries = linearBoundaries(vector.code, vector.address).map((instruction) => instruction.offset);
    const result = planner.patch(
      [{ address: vector.address, code: vector.code, boundaries, sites: vector.sites, locked: vector.locked }],
      65,
    );
    assert(Array.isArray(result), "the commit failed");
    const fates = result[0]!.fates;
    assert.deepEqual(fates, [vector.fate]);

    const now = planner.process.bytesAt(vector.address, vector.code.length);
    assert.equal(vector.becomes.length, now.length, "the vector draws every byte");
    const shown = vector.becomes.map((want, i) => {
      if (want === "xx") return "xx";
      if (want === ".." && now[i] === vector.code[i]) return "..";
      return now[i]!.toString(16).padStart(2, "0");
    });
    assert.deepEqual(shown, vector.becomes);
    const sites = vector.sites.filter((_, i) => fates[i] !== "B0");
    checkPatched({ process: planner.process, address: vector.address, original: vector.code, boundaries, sites });
  });
}
