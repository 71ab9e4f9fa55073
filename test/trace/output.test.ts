// Lines, JSON and the table, of what -e lets through.

import assert from "node:assert/strict";
import { test } from "node:test";
import { signatureByName } from "../../src/kernel-interface/signature.js";
import { type TraceEvent } from "../../src/trace/event.js";
import { type TraceOptions, TraceOutput } from "../../src/trace/output.js";

const options: TraceOptions = {
  textLimit: 32,
  isVerbose: false,
  withPaths: false,
  pidStyle: "none",
  timeFormat: "none",
  withDuration: false,
  resultColumn: 40,
  expressions: [],
  format: "lines",
};

function event(kind: TraceEvent["kind"], name: string, result = 0n): TraceEvent {
  return {
    kind,
    pid: 1,
    tid: 1,
    number: signatureByName.get(name)?.number ?? Number(name),
    start: 0n,
    end: 0n,
    result,
    arguments: [3n, 0n, 0n, 0n, 0n, 0n],
    ranges: [],
  };
}

const events = [
  event("enter", "close"),
  event("leave", "close"),
  event("enter", "fsync"),
  event("leave", "fsync", -9n),
  event("signal", "2"),
  event("enter", "exit_group"),
  event("exited", "3"),
];

function output(changed: Partial<TraceOptions>): string[] {
  const trace = new TraceOutput({ ...options, ...changed });
  const text = events.map((item) => trace.add(item)).join("") + trace.finish();
  return text.split("\n").slice(0, -1);
}

const closed = "close(3)                                = 0";
const failed = "fsync(3)                                = -1 EBADF (Bad file descriptor)";
const exited = ["exit_group(3)                           = ?", "+++ exited with 3 +++"];

test("lines", () => {
  assert.deepEqual(output({}), [closed, failed, "--- SIGINT ---", ...exited]);
  assert.deepEqual(output({ expressions: ["trace=close", "signal=none"] }), [closed, exited[1]]);
  assert.deepEqual(output({ expressions: ["status=failed", "signal=!int"] }), [failed, exited[1]]);
  assert.deepEqual(output({ expressions: ["status=successful,unfinished", "signal=none"] }), [closed, ...exited]);
});

test("JSON: a call once, also one that never returns", () => {
  const kinds = output({ format: "json" }).map((line) => {
    const { kind, call, error } = JSON.parse(line) as Record<string, string | undefined>;
    return [kind, call, error].filter((word) => word !== undefined).join(" ");
  });
  assert.deepEqual(kinds, ["leave close", "leave fsync EBADF", "signal", "enter exit_group", "exited"]);
});

test("a table of the calls that are shown", () => {
  const table = output({ format: "summary", expressions: ["close,fsync"] });
  assert.equal(table.length, 6);
  assert.match(table.at(-1), / 2 +1 total$/);
});
