// `--match`: programs whose every jump, store, call... runs in a trampoline do what they do natively. Single forms, faults and
// interrupted states are in test/programs/instruction-forms.c.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { compareRuns } from "./differential.js";

const skip = isNativeStandIn() && "the native stand-in knows no options";

const PYTHON = [
  "import hashlib, json, re, threading",
  "print(json.dumps({'squares': [i * i for i in range(50)]}))",
  "print(hashlib.sha256(b'x' * 1000).hexdigest(), re.sub('a+', 'b', 'caaat'))",
  "results = []",
  "threads = [threading.Thread(target=lambda i=i: results.append(sum(range(i * 1000)))) for i in range(8)]",
  "[t.start() for t in threads]; [t.join() for t in threads]",
  "print(sorted(results))",
  "try: 1 / 0",
  "except ZeroDivisionError as error: print(error)",
].join("\n");
const PERL =
  'my %h; $h{$_ % 17} .= chr(65 + $_ % 26) for 1..5000; print map {; "$_ ", length $h{$_}, "\\n"} sort keys %h';
const BASH =
  "for i in 1 2 3; do echo $i | cat | tr 1 2; done; f() { [ $1 -le 1 ] && echo 1 || echo $(($1 * $(f $(($1 - 1))))); }; f 4";
const SQL =
  "with recursive c(x) as (select 1 union all select x + 1 from c where x < 5000) select sum(x * x), count(*) from c;";

const programs: { name: string; command: [string, ...string[]]; classes: string[] }[] = [
  { name: "bash", command: ["bash", "-c", BASH], classes: ["jump", "store", "call", "ret"] },
  { name: "python3", command: ["python3", "-c", PYTHON], classes: ["jump", "store"] },
  { name: "perl", command: ["perl", "-e", PERL], classes: ["jump", "store", "load"] },
  { name: "sqlite3", command: ["sqlite3", ":memory:", SQL], classes: ["jump", "store"] },
  { name: "ls", command: ["ls", "-la", "/etc"], classes: ["all"] },
];

describe("programs with their instructions patched", { skip, concurrency: 2 }, () => {
  for (const { name, command, classes } of programs) {
    for (const matchClass of classes) {
      test(`${name}, ${matchClass}`, async () => {
        await compareRuns({ name: `${name} ${matchClass}`, command, options: ["--match", matchClass], stdin: "" });
      });
    }
  }

  for (const source of ["threads.c", "signal-actions.c", "signal-storms.c", "cancellation.c", "signal-jumps.c"]) {
    for (const matchClass of ["jump", "call"]) {
      test(`${source}, ${matchClass}`, async () => {
        const command: [string] = [await buildProgram(source, "dynamic")];
        const name = `${source} ${matchClass}`;
        await compareRuns({ name, command, options: ["--match", matchClass], stdin: "first line\nsecond line\n" });
      });
    }
  }

  test("what follows a patched instruction is not entered by its trap", async () => {
    const program = await buildProgram("one-byte-instructions.c", "dynamic");
    const options = ["run", "--stats=json", "--match=all", "--", program];
    const { stderr } = spawnSync(await launcherPath(), options, { encoding: "utf8" });
    const end = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "") as {
      hottestInstructions: { executed: number }[];
    };
    const [first = 0, second = 0] = end.hottestInstructions.map((trap) => trap.executed);
    assert.equal(first, 10_000, "the function's first instruction is called");
    assert.ok(second < 10_000, "its other nineteen are not");
  });

  interface Instructions {
    jumps: number;
    B0: number;
    unpatched: number;
    refused: number;
    functionsWithData: number;
    unplannedBytes: number;
  }

  /** Jumps in bash and its libraries, by objdump. */
  function countJumps(): number {
    const listed = spawnSync("ldd", ["/bin/bash"], { encoding: "utf8" }).stdout;
    const files = ["/bin/bash", ...[...listed.matchAll(/\/\S+/g)].map(([file]) => file)];
    const mnemonic = /\t(?:(?:bnd|notrack|rep|repz) )*(?:j[a-z]+|loop[a-z]*)\b/;
    return files
      .flatMap((file) => {
        const options = { encoding: "utf8", maxBuffer: 1 << 28 } as const;
        return spawnSync("objdump", ["-d", "--no-show-raw-insn", file], options).stdout.split("\n");
      })
      .filter((line) => mnemonic.test(line)).length;
  }

  test("every jump of bash and its libraries is a jump to a trampoline", async () => {
    const options = ["run", "--stats=json", "--match=jump", "--", "bash", "-c", ":"];
    const { stderr } = spawnSync(await launcherPath(), options, { encoding: "utf8" });
    const last = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "") as { instructions: Instructions };
    const { jumps, ...rest } = last.instructions;
    // A few are in no function that the unwind tables know; those of the vDSO are in no file.
    const known = countJumps();
    assert.ok(jumps > known * 0.995, `${jumps} of ${known} jumps`);
    assert.deepEqual(
      [rest.B0, rest.unpatched, rest.refused, rest.functionsWithData, rest.unplannedBytes],
      [0, 0, 0, 0, 0],
    );
  });

  test("a name that there is not", async () => {
    const { status, stderr } = spawnSync(await launcherPath(), ["run", "--match", "jmps", "--", "true"], {
      encoding: "utf8",
    });
    assert.equal(status, 125);
    assert.equal(stderr, "flicker: --match, column 1: no name jmps; did you mean jmp?\n  jmps\n  ^~~~\n");
  });
});
