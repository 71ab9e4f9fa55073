// What decode-iced.test.ts cannot compare with iced: which registers keep a part of what they held.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DecoderModule } from "./decoder-module.js";

test("registers of which a part stays", async () => {
  const decoder = await DecoderModule.load();
  const partly = (text: string): number => {
    assert.ok(decoder.decode(Uint8Array.from(text.split(" "), (byte) => parseInt(byte, 16))), text);
    decoder.exports.describeAt(decoder.code, decoder.instructions);
    return decoder.view.getUint32(decoder.facts + 8, true);
  };
  const [rax, rcx, rdx] = [1, 2, 4];
  assert.equal(partly("88 c4"), rax); // mov %al,%ah
  assert.equal(partly("40 88 c4"), 1 << 4); // mov %al,%spl
  assert.equal(partly("66 89 c1"), rcx); // mov %ax,%cx
  assert.equal(partly("89 c1"), 0); // mov %eax,%ecx: the upper half becomes 0
  assert.equal(partly("66 48 89 c1"), 0); // mov %rax,%rcx
  assert.equal(partly("0f 94 c2"), rdx); // sete %dl
  assert.equal(partly("66 50"), 0); // push %ax: rsp is whole
  assert.equal(partly("66 58"), rax); // pop %ax
  assert.equal(partly("f6 e1"), rax); // mul %cl
  assert.equal(partly("66 f7 e1"), rax | rdx); // mul %cx
  assert.equal(partly("f7 e1"), 0); // mul %ecx
  assert.equal(partly("9f"), rax); // lahf
  assert.equal(partly("66 98"), rax); // cbtw
  assert.equal(partly("48 98"), 0); // cltq
  assert.equal(partly("f3 48 0f b8 c1"), 0); // popcnt %rcx,%rax
  assert.equal(partly("66 f3 0f b8 c1"), rax); // popcnt %cx,%ax
});
