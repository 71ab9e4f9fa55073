// Rules of `flicker fault`: what they mean, and what is said of those that mean nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RuleError, U64_MAX, parseRule } from "../../src/host/fault/rule.js";
import { encodeRules } from "../../src/host/fault/parameters.js";
import { signatureByName, signatures } from "../../src/kernel-interface/signature.js";

const numbers = (...names: string[]): Set<number> => new Set(names.map((name) => signatureByName.get(name)!.number));

test("what becomes of the call", () => {
  assert.equal(parseRule("read:error=EIO").result, -5n);
  assert.equal(parseRule("read:error=eio").result, -5n);
  assert.equal(parseRule("read:error=4095").result, -4095n);
  assert.equal(parseRule("read:retval=0x10").result, 16n);
  assert.equal(parseRule("read:retval=-3").result, -3n);
  assert.equal(parseRule("read:short=7").short, 7n);
  const late = parseRule("read:delay_enter=1.5ms:delay_exit=20");
  assert.deepEqual([late.delay, late.delayExit, late.result], [1_500_000n, 20_000n, null]);
  for (const [text, time] of [
    ["3ns", 3n],
    ["2us", 2_000n],
    ["1s", 1_000_000_000n],
    ["0.25s", 250_000_000n],
  ] as const)
    assert.equal(parseRule(`read:delay=${text}`).delay, time, text);
});

test("which calls", () => {
  assert.deepEqual(parseRule("read,openat:error=EIO").calls, numbers("read", "openat"));
  assert.deepEqual(parseRule("inject=read:error=EIO").calls, numbers("read"));
  assert.deepEqual(parseRule("%net:delay=10ms").calls, parseRule("%network:delay=10ms").calls);
  assert.deepEqual(parseRule("/^pread:short=1").calls, numbers("pread64", "preadv"));
  const all = parseRule("all:error=EIO").calls;
  for (const name of ["exit", "exit_group", "rt_sigreturn"])
    assert.ok(!all.has(signatureByName.get(name)!.number), name);
  assert.equal(all.size, signatures.size - 3);
  assert.ok(parseRule("exit_group:delay=1ms").calls.has(signatureByName.get("exit_group")!.number));
  const others = parseRule("!read:error=EIO").calls;
  assert.equal(others.size, all.size - 1);
  // Of a class, those that the rule can be about.
  assert.deepEqual(parseRule("?getpid,%ipc,read:short=2").calls, numbers("read"));
  assert.ok(!parseRule("all:error=EIO:path=/etc/*").calls.has(signatureByName.get("getpid")!.number));
});

test("which of them", () => {
  const when = (text: string): bigint[] => {
    const { first, last, step } = parseRule(`read:error=EIO:when=${text}`);
    return [first, last, step];
  };
  assert.deepEqual(when("3"), [3n, U64_MAX, 0n]);
  assert.deepEqual(when("3+"), [3n, U64_MAX, 1n]);
  assert.deepEqual(when("3+2"), [3n, U64_MAX, 2n]);
  assert.deepEqual(when("3..5"), [3n, 5n, 1n]);
  assert.deepEqual(when("3..9+4"), [3n, 9n, 4n]);
  const every = parseRule("read:error=EIO");
  assert.deepEqual([every.first, every.last, every.step], [1n, U64_MAX, 1n]);
  assert.equal(parseRule("read:error=EIO:path=/a\\:b*").pattern, "/a:b*");
  assert.equal(parseRule("read:error=EIO:count=tree").isOfTree, true);
});

test("by chance: the rule's text has the seed", () => {
  const given = parseRule("read:error=EIO:probability=5%:seed=42");
  assert.deepEqual([given.probability, given.seed, given.text], [0.05, 42n, "read:error=EIO:probability=5%:seed=42"]);
  const chosen = parseRule("read:error=EIO:probability=.5", () => 7n);
  assert.deepEqual([chosen.probability, chosen.seed, chosen.text], [0.5, 7n, "read:error=EIO:probability=.5:seed=7"]);
  assert.match(parseRule("read:error=EIO:probability=1%").text, /:seed=\d+$/);
});

const wrong: readonly (readonly [rule: string, column: number, reason: RegExp])[] = [
  ["openat", 1, /nothing is to happen/],
  ["opennat:error=EIO", 1, /opennat: no such system call; did you mean openat\?/],
  ["read,opennat:error=EIO", 6, /did you mean openat/],
  ["%foo:error=EIO", 1, /no such class/],
  ["read:error=EOI", 12, /no such error: EOI; did you mean EIO\?/],
  ["read:error=4096", 12, /errors are 1 to 4095/],
  ["read:eror=EIO", 6, /no such key: eror; did you mean error\?/],
  ["read:EIO", 6, /KEY=VALUE is expected/],
  ["read:error=", 6, /a value is missing/],
  ["read:error=EIO:error=EPERM", 16, /given twice/],
  ["read:error=EIO:retval=0", 23, /either fails or gives/],
  ["read:error=EIO:short=1", 22, /not made/],
  ["read:short=0", 12, /at least 1/],
  ["getpid:short=1", 1, /getpid has no number of bytes/],
  ["%ipc:short=1", 1, /no system call is meant/],
  ["exit_group:error=EIO", 1, /exit_group does not come back/],
  ["rt_sigreturn:retval=1", 1, /does not come back/],
  ["getpid:error=EIO:path=/x", 1, /getpid is about no file/],
  ["read:error=EIO:when=0", 21, /counted from 1/],
  ["read:error=EIO:when=4..3", 21, /before the first/],
  ["read:error=EIO:when=x", 21, /N\.\.M\+STEP/],
  ["read:error=EIO:when=2+0", 21, /a step is at least 1/],
  ["read:error=EIO:probability=0", 28, /must be a probability/],
  ["read:error=EIO:probability=101%", 28, /must be a probability/],
  ["read:error=EIO:seed=1", 21, /probability= is missing/],
  ["read:error=EIO:count=thread", 22, /by process or by tree/],
  ["read:delay=10m", 12, /must be a time/],
  ["read:signal=KIL", 13, /no such signal: KIL; did you mean SIGKILL\?/],
  ["read:signal=65", 13, /signals are 1 to 64/],
  ["exit:signal=USR1", 1, /exit does not come back/],
  ["!all:error=EIO", 1, /no system call is meant/],
];

test("mistakes are shown where they are", () => {
  for (const [rule, column, reason] of wrong) {
    assert.throws(
      () => parseRule(rule),
      (error: unknown) => {
        assert.ok(error instanceof RuleError, rule);
        assert.match(error.reason, reason, rule);
        assert.equal(error.column, column, rule);
        assert.ok(error.message.split("\n")[2]!.startsWith(`  ${" ".repeat(column - 1)}^`), error.message);
        return true;
      },
    );
  }
});

test("so many rules, and paths so long, have room", () => {
  const captured = { withMemory: true, textLimit: 32, withPaths: true };
  const rules = (count: number, path: string) =>
    Array.from({ length: count }, () => parseRule(`all:error=EIO:path=${path}`));
  assert.ok(encodeRules(rules(24, "/a"), captured).length > 0);
  assert.throws(() => encodeRules(rules(25, "/a"), captured), /more than 24 rules/);
  assert.throws(() => encodeRules(rules(24, "/".repeat(300)), captured), /too long/);
});
