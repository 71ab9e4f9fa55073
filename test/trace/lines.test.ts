// Lines of events that come from more than one thread, of signals and ends, with times and processes in front; the table of -c;
// and the same as JSON.

import assert from "node:assert/strict";
import { test } from "node:test";
import { signatureByName } from "../../src/kernel-interface/signature.js";
import { type TraceEvent } from "../../src/trace/event.js";
import { jsonLine } from "../../src/trace/json.js";
import { type LineOptions, LineWriter } from "../../src/trace/lines.js";
import { Summary } from "../../src/trace/summary.js";
import { masked, buildRecorder } from "./oracle.js";

process.env["TZ"] = "UTC";

const plain: LineOptions = {
  textLimit: 32,
  isVerbose: false,
  withPaths: false,
  pidStyle: "none",
  timeFormat: "none",
  withDuration: false,
  resultColumn: 40,
};

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

function event(kind: TraceEvent["kind"], fields: Partial<TraceEvent> = {}): TraceEvent {
  return {
    kind,
    pid: 100,
    tid: 100,
    number: 0,
    start: 0n,
    end: 0n,
    result: 0n,
    arguments: [0n, 0n, 0n, 0n, 0n, 0n],
    ranges: [],
    ...fields,
  };
}

const number = (name: string): number => signatureByName.get(name)!.number;
const read = (kind: TraceEvent["kind"], tid: number, fields: Partial<TraceEvent> = {}): TraceEvent =>
  event(kind, { tid, number: number("read"), arguments: [3n, 0x1000n, 10n, 0n, 0n, 0n], ...fields });
const filled = { result: 2n, ranges: [{ address: 0x1000n, bytes: bytes("hi"), when: "exit" }] } as const;

function lines(events: readonly TraceEvent[], options: Partial<LineOptions> = {}): string[] {
  const writer = new LineWriter({ ...plain, ...options });
  const text = events.map((item) => writer.write(item)).join("") + writer.finish();
  return text.split("\n").slice(0, -1);
}

test("a call that another thread interrupts is said in two parts", () => {
  const events = [read("enter", 1), read("enter", 2), read("leave", 1, filled), read("leave", 2, { result: -4n })];
  assert.deepEqual(lines(events, { pidStyle: "file" }), [
    "1     read(3,  <unfinished ...>",
    "2     read(3,  <unfinished ...>",
    '1     <... read resumed>"hi", 10)       = 2',
    "2     <... read resumed>0x1000, 10)     = -1 EINTR (Interrupted system call)",
  ]);
  assert.deepEqual(lines([read("call", 1, filled), read("call", 2, filled)], { pidStyle: "terminal" }), [
    'read(3, "hi", 10)                       = 2',
    '[pid     2] read(3, "hi", 10)           = 2',
  ]);
});

test("ends: of the last call, of a thread, by a signal", () => {
  const exit = event("enter", { number: number("exit_group"), arguments: [3n, 0n, 0n, 0n, 0n, 0n] });
  assert.deepEqual(lines([exit, event("exited", { number: 3 })]), [
    "exit_group(3)                           = ?",
    "+++ exited with 3 +++",
  ]);
  assert.deepEqual(lines([read("enter", 1), event("killed", { tid: 1, number: 11, result: 1n })]), [
    "read(3, 0x1000, 10)                     = ?",
    "+++ killed by SIGSEGV (core dumped) +++",
  ]);
  assert.deepEqual(lines([event("lost", { number: 12 })]), [
    "flicker: 12 events were lost: the program was faster than what shows them",
  ]);
});

test("a signal is said with what it tells", () => {
  const info = new Uint8Array(128);
  const view = new DataView(info.buffer);
  view.setInt32(0, 17, true);
  view.setInt32(8, 1, true);
  view.setInt32(16, 55, true);
  view.setInt32(24, 3, true);
  view.setBigInt64(32, 150n, true);
  const ranges = [{ address: 0n, bytes: info, when: "exit" }] as const;
  assert.deepEqual(lines([event("signal", { number: 17, ranges })]), [
    "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=55, si_uid=0, si_status=3, si_utime=150 /* 1.50 s */, si_stime=0} ---",
  ]);
});

test("times: -t, -tt, -ttt, -r and -T", () => {
  const start = 1_700_000_000_123_456_789n;
  const events = [0n, 1_500_000_000n].map((later) =>
    read("call", 1, { ...filled, start: start + later, end: start + later + 2_001_000n }),
  );
  const first = (options: Partial<LineOptions>): string => lines(events, options)[0]!;
  assert.match(first({ timeFormat: "seconds" }), /^22:13:20 read\(/);
  assert.match(first({ timeFormat: "microseconds" }), /^22:13:20\.123456 read\(/);
  assert.match(first({ timeFormat: "epoch" }), /^1700000000\.123456 read\(/);
  assert.deepEqual(
    lines(events, { timeFormat: "relative" }).map((line) => line.slice(0, 18)),
    ["     0.000000 read", "     1.500000 read"],
  );
  assert.match(first({ withDuration: true }), / = 2 <0\.002001>$/);
});

test("-y says the paths of descriptors, also of a result", () => {
  const paths = [
    { address: 3n, bytes: bytes("/tmp/a<b>"), when: "path" },
    { address: 0xffffff9cn, bytes: bytes("/tmp"), when: "path" },
    { address: 4n, bytes: bytes("/tmp/x"), when: "path" },
  ] as const;
  const open = event("call", {
    number: number("openat"),
    arguments: [0xffffff9cn, 0x2000n, 0n, 0n, 0n, 0n],
    result: 4n,
    ranges: [{ address: 0x2000n, bytes: bytes("x\0"), when: "entry" }, ...paths],
  });
  assert.deepEqual(lines([open], { withPaths: true }), ['openat(AT_FDCWD</tmp>, "x", O_RDONLY)   = 4</tmp/x>']);
  assert.deepEqual(lines([read("call", 1, { result: -9n, ranges: paths })], { withPaths: true }), [
    "read(3</tmp/a\\74b\\76>, 0x1000, 10)      = -1 EBADF (Bad file descriptor)",
  ]);
});

test("-y and -s as strace has them", () => {
  const recorder = buildRecorder();
  try {
    const command = ["cat", "a.txt"];
    assert.deepEqual(
      lines(recorder.record(command, 5), { withPaths: true, textLimit: 5 }).map(masked),
      recorder
        .strace(["-y", "-s", "5"], command)
        .split("\n")
        .slice(0, -1)
        .map((line) => masked(line)),
    );
  } finally {
    recorder.remove();
  }
});

test("a call that no table has is said with its number", () => {
  assert.deepEqual(lines([event("call", { number: 999, result: -38n })]), [
    "syscall_0x3e7(0, 0, 0, 0, 0, 0)         = -1 ENOSYS (Function not implemented)",
  ]);
});

test("-c: sorted by time, with errors", () => {
  const summary = new Summary();
  for (let count = 0; count < 3; count++) summary.add(read("leave", 1, { ...filled, end: 2_000n }));
  summary.add(event("call", { number: number("openat"), result: -2n, end: 18_000n }));
  summary.add(read("enter", 1));
  assert.equal(
    summary.text(),
    [
      "% time     seconds  usecs/call     calls    errors syscall",
      "------ ----------- ----------- --------- --------- ----------------",
      " 75.00    0.000018          18         1         1 openat",
      " 25.00    0.000006           2         3           read",
      "------ ----------- ----------- --------- --------- ----------------",
      "100.00    0.000024           6         4         1 total",
      "",
    ].join("\n"),
  );
});

test("JSON: one object on a line, with arguments by their names", () => {
  const line = jsonLine(read("call", 7, { ...filled, start: 1_000_000_001n, end: 1_000_000_501n }), plain);
  assert.ok(line.endsWith("}\n"));
  assert.deepEqual(JSON.parse(line), {
    kind: "call",
    pid: 100,
    tid: 7,
    time: "1.000000001",
    call: "read",
    arguments: { fd: 3, buf: "hi", count: 10 },
    result: 2,
    nanoseconds: 500,
  });
  const failed = JSON.parse(jsonLine(read("call", 7, { result: -9n }), plain)) as Record<string, unknown>;
  assert.deepEqual([failed["result"], failed["error"]], [-1, "EBADF"]);
  const binary = { result: 1n, ranges: [{ address: 0x1000n, bytes: bytes("\xff"), when: "exit" }] } as const;
  const shown = JSON.parse(jsonLine(read("call", 7, binary), plain)) as { arguments: { buf: unknown } };
  assert.deepEqual(shown.arguments.buf, { base64: "/w==" });
});
