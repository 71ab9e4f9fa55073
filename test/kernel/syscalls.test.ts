// The table of system calls is the whole truth: what follows from it is fresh, and it knows every call and every option that
// the kernel's headers know. Headers may be older than a row, never newer.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  DATA_CALLS,
  DISPATCH,
  DOCUMENT,
  NUMBERS,
  generateDataCalls,
  generateDispatch,
  generateDocument,
  generateNumbers,
  isVirtualised,
  parseOptions,
  parseSyscalls,
} from "../../tools/gen-syscalls.js";

const AGAIN = "run: node --import tsx tools/gen-syscalls.ts";

/** Names and values of the numeric macros that a header defines, as the preprocessor sees them. */
function definedBy(header: string, prefix: RegExp): Map<string, number> {
  const text = execFileSync("gcc", ["-E", "-dM", "-include", header, "-x", "c", "/dev/null"], { encoding: "utf8" });
  const macros = [...text.matchAll(/^#define (\w+) (\d+|0x[0-9a-fA-F]+)$/gm)];
  return new Map(macros.filter(([, name]) => prefix.test(name!)).map(([, name, value]) => [name!, Number(value)]));
}

test("numbers, dispatch and docs/syscalls.md are what the table says", async () => {
  assert.ok((await generateNumbers()) === readFileSync(NUMBERS, "utf8"), AGAIN);
  assert.ok((await generateDispatch()) === readFileSync(DISPATCH, "utf8"), AGAIN);
  assert.ok((await generateDataCalls()) === readFileSync(DATA_CALLS, "utf8"), AGAIN);
  assert.ok((await generateDocument()) === readFileSync(DOCUMENT, "utf8"), AGAIN);
});

test("every system call of the kernel's headers is in the table", () => {
  const table = new Map(parseSyscalls().calls.map((call) => [`__NR_${call.name}`, call.number]));
  const headers = definedBy("asm/unistd.h", /^__NR_/);
  assert.ok(headers.size > 350, `${headers.size} numbers in the headers`);
  for (const [name, number] of headers) assert.equal(table.get(name), number, name);
});

test("every option of prctl and arch_prctl in the kernel's headers is in the table", () => {
  const options = parseOptions();
  const table = new Map(options.map((option) => [option.name, option.number]));
  const numbers = new Set(options.filter((option) => option.call === "prctl").map((option) => option.number));
  for (const [name, number] of definedBy("asm/prctl.h", /^ARCH_[A-Z0-9_]+$/))
    assert.equal(table.get(name), number, name);
  // The header mixes options with their arguments, which are small numbers or lie far from the options.
  const headers = definedBy("linux/prctl.h", /^PR_/);
  for (const [name, number] of headers) if (table.has(name)) assert.equal(table.get(name), number, name);
  const largest = Math.max(...[...headers].filter(([name]) => table.has(name)).map(([, number]) => number & 0xffff));
  assert.ok(largest >= 64);
  const isOption =
    /^PR_(SET|GET|CAP_AMBIENT|CAPBSET|MCE_KILL|MPX|PAC|SVE|SME|SCHED_CORE|TASK_PERF|TIMER|FUTEX|RSEQ)\w*$/;
  const isArgument =
    /^PR_(SET_MM_\w+|SET_VMA_\w+|SET_PTRACER_ANY|CAP_AMBIENT_\w+|MCE_KILL_(CLEAR|SET|LATE|EARLY|DEFAULT)|PAC_AP\w+|SVE_(SET_VL_ONEXEC|VL_\w+)|SME_(SET_VL_ONEXEC|VL_\w+)|SCHED_CORE_\w+|TIMER_CREATE_RESTORE_IDS_\w+|FUTEX_HASH_\w+|RSEQ_SLICE_EXT_\w+)$/;
  for (const [name, number] of headers)
    if (isOption.test(name) && !isArgument.test(name)) assert.ok(numbers.has(number), `${name} ${number}`);
});

test("an option that is virtualised belongs to a call that is", () => {
  const calls = new Map(parseSyscalls().calls.map((call) => [call.name, call]));
  for (const option of parseOptions().filter(isVirtualised))
    assert.ok(isVirtualised(calls.get(option.call)!), option.name);
});
