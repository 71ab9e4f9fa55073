// Hooks in front of instructions, in a program that knows how often it executes each: once for each execution, whatever
// signals and threads do, with the registers, flags and stack pointer of the site.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { counted, instrumentingLauncher, runHooked } from "./hooked.js";

const program = (): Promise<string> => buildProgram("hooked-instructions.c");
const SPIN = "cond and function == spin";

for (const [hook, options] of ["count-sites.ts", "add-at-sites.ts"].flatMap((name) =>
  [[], ["--only-traps"], ["--yield-gs"]].map((some) => [name, some] as const),
)) {
  const how = `${hook}, ${options.join(" ") || "jumps"}`;
  const check = (stderr: string, times: number): void => {
    assert.equal(counted(stderr, "sites"), times);
    if (hook === "add-at-sites.ts") assert.equal(counted(stderr, "threes"), 6 * times);
  };

  test(`each execution is seen once: ${how}`, async () => {
    const run = await runHooked(hook, [await program(), "spin"], {}, options, SPIN);
    assert.equal(run.stdout, "1\n", run.stderr);
    check(run.stderr, 100_000);
  });

  test(`also under a storm of signals: ${how}`, async () => {
    const run = await runHooked(hook, [await program(), "storm"], {}, options, SPIN);
    const [, sum, turns] = /^sum (\d+) of (\d+)$/m.exec(run.stdout) ?? assert.fail(run.stderr);
    assert.equal(sum, turns);
    check(run.stderr, Number(turns) * 1000);
  });

  test(`where the flags are dead: ${how}`, async () => {
    const expression = "mnemonic == xor and function == spin or mnemonic == dec and function == spin";
    const run = await runHooked(hook, [await program(), "storm"], {}, options, expression);
    const [, sum, turns] = /^sum (\d+) of (\d+)$/m.exec(run.stdout) ?? assert.fail(run.stderr);
    assert.equal(sum, turns);
    check(run.stderr, Number(turns) * 1001);
  });

  test(`in eight threads: ${how}`, async () => {
    const run = await runHooked(hook, [await program(), "threads"], {}, options, SPIN);
    assert.equal(run.stdout, "8\n", run.stderr);
    check(run.stderr, 800_000);
  });

  test(`calls, whose site is a call or a jump: ${how}`, async () => {
    const expression = "call and function == calls";
    const run = await runHooked(hook, [await program(), "calls"], {}, options, expression);
    assert.equal(run.stdout, "499500\n", run.stderr);
    check(run.stderr, 1000);
  });
}

for (const options of [[], ["--only-traps"], ["--yield-gs"]]) {
  const how = options.join(" ") || "jumps";
  test(`where a branch jumps over a lock prefix: ${how}`, async () => {
    // Each turn: the branch and one back; the addition; all five instructions.
    for (const [what, times] of [
      ["cond", 400_000],
      ["mnemonic == inc", 200_000],
      ["(cond or mnemonic == inc)", 600_000],
      ["all", 1_000_006],
    ] as const) {
      const expression = `${what} and function == add_to_shared`;
      const run = await runHooked("count-sites.ts", [await program(), "prefix"], {}, options, expression);
      assert.equal(run.stdout, "200000\n", run.stderr);
      assert.equal(counted(run.stderr, "sites"), times, expression);
    }
  });

  test(`calls that are skipped, by a hook that sees the site's stack pointer: ${how}`, async () => {
    const expression = "call and function == calls";
    const run = await runHooked("skip-calls.ts", [await program(), "calls"], {}, options, expression);
    assert.equal(run.stdout, "5\n", run.stderr);
  });

  test(`registers and flags are the program's, and what the hook makes of them: ${how}`, async () => {
    const run = await runHooked(
      "change-registers.ts",
      [await program(), "change"],
      {},
      options,
      "nop and function == change",
    );
    assert.equal(run.stdout, "42\n", run.stderr);
    // cmpq %rax, %rax: ZF and PF.
    assert.match(run.stderr, /^flicker: change-registers\.ts: rax 1000 flags 0x44$/m);
  });

  test(`the operand's address: ${how}`, async () => {
    const expression = "mem.write and not mem.base == rsp and function == stores";
    const run = await runHooked("log-operands.ts", [await program(), "operands"], {}, options, expression);
    const [, cell = ""] = /^cell 0x(\w+): 1 2 3 4$/m.exec(run.stdout) ?? assert.fail(run.stderr);
    const places = [...run.stderr.matchAll(/store to 0x(\w+) over 0$/gm)].map(([, place = ""]) => place);
    assert.deepEqual(
      places,
      [0n, 8n, 16n, 24n].map((offset) => (BigInt(`0x${cell}`) + offset).toString(16)),
    );
  });
}

for (const options of [[], ["--only-traps"], ["--yield-gs"]]) {
  const how = options.join(" ") || "jumps";
  const DEC = "mnemonic == dec and function == spin";

  test(`behind an instruction, once for each execution: ${how}`, async () => {
    for (const what of ["spin", "threads", "storm"]) {
      const run = await runHooked("count-after.ts", [await program(), what], {}, options, DEC);
      const [, sum, turns] = /^sum (\d+) of (\d+)$/m.exec(run.stdout) ?? [];
      if (what === "storm") assert.ok(sum !== undefined && sum === turns, run.stderr);
      else assert.equal(run.stdout, what === "spin" ? "1\n" : "8\n", run.stderr);
      const times = what === "storm" ? Number(turns) * 1000 : what === "spin" ? 100_000 : 800_000;
      assert.equal(counted(run.stderr, "begins"), times, what);
      assert.equal(counted(run.stderr, "ends"), times, what);
      assert.equal(counted(run.stderr, "found") - counted(run.stderr, "left"), times, what);
    }
  });

  test(`what is changed behind an instruction, under a storm of signals: ${how}`, async () => {
    const expression = "mnemonic == stc and function == spin";
    const run = await runHooked("clear-carry.ts", [await program(), "storm"], {}, options, expression);
    const [, sum, turns] = /^sum (\d+) of (\d+)$/m.exec(run.stdout) ?? assert.fail(run.stderr);
    assert.equal(sum, "0");
    assert.equal(counted(run.stderr, "ends"), Number(turns));
  });

  test(`calls and jumps that are taken have no end: ${how}`, async () => {
    const expression = "call and function == calls";
    const called = await runHooked("count-after.ts", [await program(), "calls"], {}, options, expression);
    assert.equal(called.stdout, "499500\n", called.stderr);
    assert.equal(counted(called.stderr, "begins"), 1000);
    assert.equal(counted(called.stderr, "ends"), 0);
    const jumped = await runHooked("count-after.ts", [await program(), "spin"], {}, options, SPIN);
    assert.equal(jumped.stdout, "1\n", jumped.stderr);
    assert.equal(counted(jumped.stderr, "begins"), 100_000);
    assert.equal(counted(jumped.stderr, "ends"), 1);
  });

  for (const hook of ["raise-in-front.ts", "raise-behind.ts"]) {
    test(`a hook that raises a signal, beside those of a timer: ${hook}, ${how}`, async () => {
      const expression = "mnemonic == stc and function == spin";
      const run = await runHooked(hook, [await program(), "storm"], {}, options, expression);
      const [, sum, turns] = /^sum (\d+) of (\d+)$/m.exec(run.stdout) ?? assert.fail(run.stderr);
      assert.equal(sum, turns);
      // The program counts 2,000 signals, and each turn has one at least.
      assert.ok(Number(turns) <= 2000, run.stdout);
    });
  }

  test(`a hook behind an instruction that goes on elsewhere: ${how}`, async () => {
    const expression = "nop and function == change";
    const run = await runHooked("leave-after.ts", [await program(), "change"], {}, options, expression);
    assert.equal(run.stdout, "1017\n", run.stderr);
  });
}

for (const options of [[], ["--only-traps"]]) {
  for (const hooks of [[], ["clear-carry.ts"], ["count-after.ts"]]) {
    test(`a program that sets the trap flag sees its own steps alone: ${[...options, ...hooks].join(" ")}`, async () => {
      const stepping = await buildProgram("signal-stepping.c");
      for (const what of ["over_calls", "handler_makes_calls", "over_fork", "signal_to_itself"]) {
        const native = spawnSync(stepping, [what], { encoding: "utf8" });
        // Behind each instruction, and behind the first and the last, which set and clear the flag.
        for (const expression of ["function == step_over", "function == step_over and mnemonic ~ 'popf'"]) {
          const run = await runHooked(hooks, [stepping, what], {}, options, expression);
          assert.equal(run.stdout, native.stdout, `${what}, ${expression}: ${run.stderr}`);
        }
      }
    });
  }
}

test("an instruction that is done cannot be skipped", async () => {
  const run = await runHooked("skip-after.ts", [await program(), "spin"], {}, [], "stc and function == spin");
  assert.equal(run.status, 125);
  assert.match(
    run.stderr,
    /^flicker: hook skip-after\.ts: an instruction is skipped behind it, in after of the instruction at 0x\w+, thread \d+$/m,
  );
});

test("handlers that leave by siglongjmp do not confuse what is counted next", async () => {
  const run = await runHooked("count-sites.ts", [await program(), "jumps"], {}, [], SPIN);
  assert.equal(run.stdout, "left 200\n", run.stderr);
  assert.ok(counted(run.stderr, "sites") > 1000);
});

test("values of each thread's own, zero in each new thread", async () => {
  for (const [how, threads] of [
    ["threads", 8],
    ["turns", 4],
  ] as const) {
    const run = await runHooked("thread-values.ts", [await program(), how], {}, [], SPIN);
    assert.equal(counted(run.stderr, "most in one thread"), 100_000, run.stderr);
    assert.equal(counted(run.stderr, "in all"), threads * 100_000);
    assert.equal(counted(run.stderr, "dirty at start"), 0);
  }
});

test("a hook's own match, beside an expression's", async () => {
  const hooks = ["count-jumps.ts", "count-sites.ts"];
  const run = await runHooked(hooks, [await program(), "spin"], {}, [], "mnemonic == adc and function == spin");
  assert.equal(run.stdout, "1\n", run.stderr);
  assert.equal(counted(run.stderr, "sites"), 100_000);
  assert.ok(counted(run.stderr, "short conditional jumps") >= 100_000);
});

test("a trap in match names the instruction", async () => {
  const run = await runHooked("trap-in-match.ts", [await program(), "spin"]);
  assert.equal(run.status, 125);
  assert.match(
    run.stderr,
    /^flicker: hook trap-in-match\.ts: Index out of range at .*, in match of the instruction at 0x\w+ of \/.*, thread \d+$/m,
  );
});

test("before without match needs --match, whose mistakes are shown where they are", async () => {
  await assert.rejects(instrumentingLauncher(null, ["count-sites.ts"]), {
    message:
      "count-sites.ts: it exports before, replace or after, but no match; --match EXPR can say which instructions",
  });
  await assert.rejects(
    instrumentingLauncher("cond and functoin == spin", ["count-sites.ts"]),
    /column 10: no number functoin/,
  );
  await assert.rejects(instrumentingLauncher('asm ~ "mov"', []), /asm/);
});
