// What becomes of a hook's file before a program runs: errors in one line that says where, and modules of any origin.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";
import { wasmOf } from "../backend/wasm-text.js";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn } from "../support/launcher.js";
import { counted, hookedLauncher, hooksFolder, runHooked } from "./hooked.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-hook-build-"));
process.on("exit", () => rmSync(folder, { recursive: true }));

async function refusal(file: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, file);
  writeFileSync(path, content);
  try {
    await hookedLauncher(path);
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

const IMPORT = `import { Context, Counter, SystemCall, log } from "flicker/hook";\n`;

test("errors of a hook in TypeScript name file, line and column", async () => {
  const cases: [name: string, body: string, expected: RegExp][] = [
    [
      "syntax",
      "export function beforeCall(call: SystemCall): void { let x = ; }",
      /syntax\.ts does not compile:\n[^]*syntax\.ts\(2,62\)/,
    ],
    ["type", `export function beforeCall(call: SystemCall): void { call.skip("no"); }`, /type\.ts\(2,/],
    [
      "no-export",
      "export function prepare(call: SystemCall): void {}",
      /^no-export\.ts: it exports none of beforeCall, afterCall, before, replace, after, onStart, /,
    ],
    [
      "both",
      "export function before(context: Context): void {} export function replace(context: Context): void {}",
      /^both\.ts: it exports both before and replace$/,
    ],
    [
      "event",
      "export function onStart(): bool { return true; }",
      /^event\.ts: onStart is \(\) -> \(i32\), but should take an event and give nothing$/,
    ],
    [
      "parameters",
      "export function beforeCall(a: u64): void {}",
      /^parameters\.ts: beforeCall is \(i64\) -> \(\), but should take/,
    ],
    [
      "allocation",
      "export function beforeCall(call: SystemCall): void {\n  log.text(`number ${call.number}`).end();\n}",
      /^allocation\.ts:3:\d+: memory is allocated while the program runs/,
    ],
    [
      "array",
      "let all: u64[] = [];\nexport function beforeCall(call: SystemCall): void {\n  all.push(call.number);\n}",
      /^array\.ts:4:\d+: memory is allocated while the program runs/,
    ],
    [
      "recursion",
      "function f(n: u64): u64 { return n < 2 ? n : f(n - 1) + f(n - 2); }\nexport function beforeCall(call: SystemCall): void { call.number = f(call.number); }",
      /^recursion\.ts: recursion\/f may call itself/,
    ],
    [
      "floats",
      "export function beforeCall(call: SystemCall): void {\n  if ((call.number as f64) * 0.5 > 3.0) call.skip(0);\n}",
      /^floats\.ts:3:\d+: .*floating point is not compiled/,
    ],
    [
      "late-counter",
      `export function beforeCall(call: SystemCall): void { new Counter("late"); }`,
      /^late-counter\.ts: a Counter is made in a function/,
    ],
    [
      "early",
      "log.text(`early`);\nexport function beforeCall(call: SystemCall): void {}",
      /^early\.ts: flicker\.text is called before the program runs$/,
    ],
    [
      "assertion",
      `assert(changetype<usize>(log) != 0, "there is no log");\nexport function beforeCall(call: SystemCall): void {}`,
      /^assertion\.ts: there is no log, at assertion\.ts:2:1$/,
    ],
  ];
  for (const [name, body, expected] of cases) assert.match(await refusal(`${name}.ts`, IMPORT + body), expected, name);
});

test("errors of a module in wasm", async () => {
  const cases: [text: string, expected: RegExp][] = [
    [`(module (func (export "other")))`, /^m\.wasm: it exports none of /],
    [`(module (memory (import "env" "memory") 1) (func (export "beforeCall")))`, /imports the memory env\.memory/],
    [
      `(module (import "flicker" "fly" (func $f)) (func (export "beforeCall") (call $f)))`,
      /import .*flicker\.fly is not known/,
    ],
    [
      `(module (import "flicker" "skip" (func $f)) (func (export "beforeCall") (call $f)))`,
      /flicker\.skip is \(\) -> \(\), but should be \(i64\)/,
    ],
    [`(module (memory 300) (func (export "beforeCall")))`, /300 pages of memory; 256 \(16 MiB\) are the most/],
    [`(module (memory 1) (func (export "beforeCall") (drop (memory.grow (i32.const 1)))))`, /memory\.grow/],
  ];
  for (const [text, expected] of cases) assert.match(await refusal("m.wasm", wasmOf(text)), expected, text);
  assert.match(await refusal("m.wasm", "not wasm"), /^m\.wasm: /);
  assert.match(await refusal("m.js", ""), /m\.js: a hook is a \.ts or a \.wasm file$/);
});

test("a module in wasm, whose start function fills its memory", async () => {
  const text = `(module
    (import "flicker" "number" (func $number (result i64)))
    (import "flicker" "skip" (func $skip (param i64)))
    (memory 1)
    (func $start (i64.store (i32.const 64) (i64.const 1234)))
    (start $start)
    (func (export "matchCall") (param i32) (result i32) (i32.eq (local.get 0) (i32.const 110)))
    (func (export "beforeCall") (call $skip (i64.add (call $number) (i64.load (i32.const 64))))))`;
  const path = join(folder, "answer.wasm");
  writeFileSync(path, wasmOf(text));
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked(path, [program, "changed"]);
  assert.match(run.stdout, /^getppid gave 1344$/m, run.stderr);
});

test("a hook in C", async () => {
  const path = join(folder, "failed.wasm");
  const source = join(hooksFolder, "failed.c");
  const options = ["--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-o", path, source];
  const compiled = spawnSync("clang", options, { encoding: "utf8" });
  assert.equal(compiled.status, 0, compiled.stderr);
  const run = await runHooked(path, ["/bin/cat", "/nowhere"], { LC_ALL: "C" });
  assert.equal(run.status, 1);
  assert.match(run.stderr, /^flicker: failed\.wasm: system call 257 fails with errno 2$/m);
});

test("flicker run --hook: Node compiles, and leaves no mark on the program", { skip: isNativeStandIn() }, async () => {
  const launcher = join(packageRoot, "dist/launcher");
  const program = await buildProgram("hooked-calls.c");
  const hooks = ["--hook", join(hooksFolder, "count.ts"), `--hook=${join(hooksFolder, "global.ts")}`];
  const run = spawnSync(launcher, ["run", ...hooks, "--stats", "--", program, "call"], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  assert.equal(counted(run.stderr, "getppid after"), 1);
  assert.match(run.stderr, /global\.ts: counted 1$/m);
  assert.match(run.stderr, /end status 0/);
  const script =
    "import resource, os; r = resource.getrusage(resource.RUSAGE_CHILDREN); print(r.ru_utime + r.ru_stime, r.ru_maxrss, sorted(map(int, os.listdir('/proc/self/fd')))[:3])";
  const marks = spawnSync(launcher, ["run", ...hooks.slice(0, 2), "--", "/usr/bin/python3", "-c", script], {
    encoding: "utf8",
  });
  assert.equal(marks.stdout, "0.0 0 [0, 1, 2]\n", marks.stderr);
  const wrong = spawnSync(launcher, ["run", "--hook", join(folder, "none.ts"), "--", "true"], { encoding: "utf8" });
  assert.equal(wrong.status, 125);
  assert.match(wrong.stderr, /flicker:.* .*none\.ts: no such file\n$/);
  const last = spawnSync(launcher, ["run", "--hook"], { encoding: "utf8" });
  assert.equal(last.stderr, "flicker: --hook: the name of a file must follow\n");
});

test("editors check a hook against the SDK's types", () => {
  const compiler = join(packageRoot, "node_modules/typescript/bin/tsc");
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022"];
  const files = ["count", "change", "global", "refuse", "retry", "memory"].map((name) =>
    join(hooksFolder, `${name}.ts`),
  );
  for (const resolution of [
    ["--module", "nodenext"],
    ["--module", "esnext", "--moduleResolution", "bundler"],
  ]) {
    const { stdout, status } = spawnSync(process.execPath, [compiler, ...options, ...resolution, ...files], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout);
  }
});
