// -e expressions mean what they mean to strace, and one that means nothing is answered with what it might have been.

import assert from "node:assert/strict";
import { test } from "node:test";
import { signatureByName } from "../../src/kernel-interface/signature.js";
import { FilterError, TraceFilter } from "../../src/trace/filter.js";

const number = (name: string): number => signatureByName.get(name)!.number;

function shown(expressions: readonly string[], names: readonly string[]): string[] {
  const filter = new TraceFilter(expressions);
  return names.filter((name) => filter.showsCall(number(name)));
}

const some = ["read", "openat", "open", "futex", "socket", "mmap", "kill", "stat"];

test("names, classes, regular expressions, numbers, and all the others", () => {
  assert.deepEqual(shown([], some), some);
  assert.deepEqual(shown(["trace=read,openat"], some), ["read", "openat"]);
  assert.deepEqual(shown(["read"], some), ["read"]);
  assert.deepEqual(
    shown(["!futex"], some),
    some.filter((name) => name !== "futex"),
  );
  assert.deepEqual(shown(["trace=%file"], some), ["openat", "open", "stat"]);
  assert.deepEqual(shown(["trace=file"], some), ["openat", "open", "stat"]);
  assert.deepEqual(shown(["trace=%network,%signal"], some), ["socket", "kill"]);
  assert.deepEqual(shown(["trace=%%stat"], some), ["stat"]);
  assert.deepEqual(shown(["trace=/^open"], some), ["openat", "open"]);
  assert.deepEqual(shown(["t=0,?nosuchcall"], some), ["read"]);
  assert.deepEqual(shown(["trace=!%desc,%file"], some), ["futex", "socket", "kill"]);
  assert.deepEqual(shown(["trace=none"], some), []);
  assert.deepEqual(shown(["read", "trace=openat"], some), ["openat"]);
  assert.equal(new TraceFilter(["trace=all"]).showsCall(9999), true);
  assert.equal(new TraceFilter(["trace=read"]).callNumbers?.size, 1);
});

test("signals and statuses", () => {
  const filter = new TraceFilter(["signal=!SIGCHLD,int", "status=failed"]);
  assert.deepEqual(
    [2, 11, 17].map((signal) => filter.showsSignal(signal)),
    [false, true, false],
  );
  assert.equal(filter.showsStatus("failed"), true);
  assert.equal(filter.showsStatus("successful"), false);
  assert.equal(new TraceFilter(["signal=none"]).showsSignal(11), false);
});

test("what means nothing is answered", () => {
  const says = (expression: string, message: RegExp): void =>
    assert.throws(
      () => new TraceFilter([expression]),
      (error: unknown) => error instanceof FilterError && message.test(error.message),
      expression,
    );
  says("trace=opennat", /^-e trace=opennat: opennat: no such system call; did you mean openat\?$/);
  says("trace=%fil", /no such class of system calls: .*%file/);
  says("trace=/(", /not a regular expression/);
  says("trace=/^nothing$", /no system call matches/);
  says("trace=read,,write", /a name is missing/);
  says("signal=SIGFOO", /no such signal/);
  says("status=finished", /no such status: successful failed unfinished/);
  says("fault=open:error=EIO", /flicker fault/);
  says("kind=open", /no such kind of expression: kind; there are trace, status and signal/);
});
