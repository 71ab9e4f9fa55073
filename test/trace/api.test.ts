// `import { run, trace, count, fault } from "flicker"`.

import assert from "node:assert/strict";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  type EventObject,
  type FaultObject,
  FilterError,
  MatchError,
  RuleError,
  count,
  fault,
  run,
  trace,
} from "../../src/index.js";

process.env["XDG_CACHE_HOME"] = join(tmpdir(), `flicker-test-hooks-${userInfo().uid}`);

test("events of a program and its children, and how it ended", async () => {
  const run = await trace(["sh", "-c", "cat /etc/hostname > /dev/null; exit 3"], { expressions: ["openat"] });
  const events: EventObject[] = [];
  for await (const event of run) events.push(event);
  const opened = events.find(({ arguments: given }) => given?.["filename"] === "/etc/hostname");
  assert.equal(opened?.call, "openat");
  assert.ok(Number(opened?.result) >= 0);
  assert.deepEqual(
    events.filter(({ kind }) => kind === "exited").map(({ status }) => status),
    [0, 3],
  );
  assert.deepEqual(await run.outcome, { status: 3, signal: null });
});

test("who iterates slowly gets all", async () => {
  const run = await trace(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do umask; done > /dev/null"], {
    expressions: ["umask"],
  });
  let calls = 0;
  for await (const { call } of run) {
    if (call === "umask") calls++;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.equal(calls, 18);
});

test("who has had enough stops nobody", async () => {
  const run = await trace(["sh", "-c", "i=0; while [ $i -lt 2000 ]; do umask; i=$((i+1)); done > /dev/null; exit 5"]);
  for await (const event of run) if (event.call === "umask") break;
  assert.deepEqual(await run.outcome, { status: 5, signal: null });
});

test("an expression that means nothing", async () => {
  await assert.rejects(trace(["true"], { expressions: ["opennat"] }), FilterError);
});

test("a program is run, and its instructions counted", async () => {
  assert.deepEqual(await run(["sh", "-c", "exit 4"]), { status: 4, signal: null });
  assert.deepEqual(await run(["sh", "-c", "kill -KILL $$"], { match: "ret" }), { status: null, signal: "SIGKILL" });
  const { outcome, counts } = await count(["sh", "-c", "exit 2"], "ret and file == libc");
  assert.deepEqual(outcome, { status: 2, signal: null });
  assert.ok(counts.length > 10);
  assert.ok(counts.every(({ file, count: times }) => file.includes("libc") && times > 0n));
  await assert.rejects(count(["true"], "rett"), MatchError);
});

test("a program fails as rules say, and what was changed is an event", async () => {
  const faulty = await fault(["cat", "/etc/hostname"], ["openat:error=EACCES:path=/etc/hostname", "read:delay=1us"]);
  assert.deepEqual(faulty.rules, ["openat:error=EACCES:path=/etc/hostname", "read:delay=1us"]);
  const events: FaultObject[] = [];
  for await (const event of faulty) events.push(event);
  const denied = events.find(({ rule }) => rule === 0);
  assert.deepEqual([denied?.call, denied?.error, denied?.count], ["openat", "EACCES", 1]);
  assert.deepEqual(await faulty.outcome, { status: 1, signal: null });
  const [first, second] = await faulty.counts;
  assert.deepEqual(first, { rule: faulty.rules[0], matched: 1, injected: 1 });
  assert.ok(second!.matched > 0 && second!.matched === second!.injected);
  await assert.rejects(fault(["true"], "openat:error=EACESS"), RuleError);
});
