// The compiled wasm as machine code (src/backend), on the same records as in V8: classes, numbers, sets of mnemonics, and
// automata over texts with their memos. What the answers should be is language.test.ts's matter.

import assert from "node:assert/strict";
import { test } from "node:test";
import binaryen from "binaryen";
import { RECORD_ADDRESS } from "../../src/abi/instruction-record.js";
import { compileMatch } from "../../src/match/compile.js";
import { TEXTS_OF_A_FILE } from "../../src/host/matching.js";
import { type Call, compareRuns, HOOK_OPTIONS } from "../backend/native-run.js";
import { Random } from "../x86/random-code.js";

const EXPRESSIONS = [
  "all",
  "store and not stack or jump and target < address",
  "mnemonic in {add, sub, and, or, xor} and not mem.base in {rsp, rip, none}",
  "imm in {-5..5, 0x100..0x7fffffffffffffff} or mem.disp - imm == size + 4",
  "function ~ /^a(b|c)*d/i or file == ab",
  'asm !~ "[0-9]+.*x" and (rax in reads or zf not in flags.writes)',
];

/** A module's wasm with a function `set` that stores eight bytes. */
function withSetter(wasm: Uint8Array): Uint8Array {
  const module = binaryen.readBinary(wasm);
  const store = module.i64.store(0, 1, module.local.get(0, binaryen.i32), module.local.get(1, binaryen.i64));
  module.addFunction("set", binaryen.createType([binaryen.i32, binaryen.i64]), binaryen.none, [], store);
  module.addFunctionExport("set", "set");
  assert.ok(module.validate());
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

function randomRecord(random: Random): Call[] {
  const set = (offset: number, value: bigint): Call => ({
    name: "set",
    args: [RECORD_ADDRESS + offset, BigInt.asIntN(64, value)],
  });
  const word = (): bigint => (BigInt(random.next()) << 32n) | BigInt(random.next());
  const fields = Array.from({ length: 14 }, (_, i) => set(8 * i, i < 6 ? BigInt(random.below(40) - 20) : word()));
  const mnemonic = set(0x50, (word() & ~0xffffn) | BigInt(random.below(2000)));
  const texts = [0x70, 0x1080, 0x3090].flatMap((at) => {
    const length = random.below(10) - 1;
    const number = random.below(3);
    const text = Buffer.from(Array.from({ length: 8 }, () => random.pick([..."abcdABx9 "])).join(""));
    return [set(at, (BigInt(Math.min(length, 8)) << 32n) | BigInt(number)), set(at + 8, text.readBigUInt64LE())];
  });
  return [...fields, mnemonic, ...texts];
}

test("machine code answers as V8 does", () => {
  const random = new Random(11);
  for (const text of EXPRESSIONS) {
    const calls = Array.from({ length: 60 }, () => [
      ...randomRecord(random),
      { name: "mayMatch", args: [] },
      { name: "match", args: [] },
    ]).flat();
    const { outcomes } = compareRuns(withSetter(compileMatch(text, TEXTS_OF_A_FILE).wasm), calls, text, HOOK_OPTIONS);
    const answers = new Set(outcomes.filter((outcome) => outcome !== undefined));
    assert.ok(
      [...answers].every((answer) => answer === 0 || answer === 1),
      `${text}: ${[...answers].join()}`,
    );
  }
});
