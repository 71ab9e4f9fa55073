// `--match all`: real programs do what they do natively with every instruction of theirs and of their libraries in a trampoline.
// Most take minutes, because of the traps that one-byte instructions are left with: FLICKER_TEST_LONG.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { compareRuns, type Scenario } from "./differential.js";

const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;

const BASH = [
  "declare -A seen",
  'for word in $(compgen -c | head -200); do seen[${word:0:1}]+="${#word} "; done',
  'for key in "${!seen[@]}"; do echo "$key"; done | sort | head -5',
  'printf "%s\\n" {1..300} | while read -r n; do echo $((n * n)); done | tail -1',
  '[[ "flicker 1.2" =~ ([0-9]+)\\.([0-9]+) ]] && echo "${BASH_REMATCH[2]}"',
  "trap 'echo trapped' USR1; kill -USR1 $$",
].join("\n");
const SQL = `
create table item(id integer primary key, name text, price real, kind int);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
  insert into item select i, 'item ' || (i * 7919 % 3000), i * 0.25, i % 17 from n;
create index by_kind on item(kind, price);
select kind, count(*), round(avg(price), 3), max(name) from item group by kind order by kind;
update item set price = price * 1.1 where name like '%99%';
select a.name, b.name from item a join item b on a.id = b.kind and b.price > 740 order by 1, 2 limit 20;
delete from item where id % 3 = 0;
pragma integrity_check;
explain query plan select * from item where kind = 4 and price > 9;
`;
const PERL =
  'my %h; for my $i (1..20000) { my $k = "k" . ($i % 500); $h{$k} .= chr(65 + $i % 26); $h{$k} = "" if length $h{$k} > 50 } print join(",", map {"$_$h{$_}"} sort keys %h), "\\n"; print sprintf("%.6f", sqrt(2) ** 3), "\\n" if "abcabc" =~ /^(abc)+$/;';
const THROWS = `
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>
struct Guard { std::string name; ~Guard() { std::printf("left %s\\n", name.c_str()); } };
static int deep(int n) {
  Guard guard{"level " + std::to_string(n)};
  if (n == 0) throw std::out_of_range("at the bottom");
  try { return deep(n - 1) + 1; } catch (const std::invalid_argument &) { return -1; }
}
int main() {
  for (int n : std::vector<int>{0, 3, 9}) {
    try { std::printf("%d\\n", deep(n)); } catch (const std::exception &error) { std::printf("caught %s\\n", error.what()); }
  }
  try { try { throw 5; } catch (int value) { std::printf("%d\\n", value); throw; } } catch (...) { std::puts("again"); }
}
`;
const C_SOURCE =
  "#include <stdio.h>\nint main(int c, char **v) { for (int i = 0; i < c; i++) puts(v[i]); return c; }\n";

const writes =
  (name: string, content: string): NonNullable<Scenario["prepare"]> =>
  (directory) =>
    writeFile(join(directory, name), content);
const text = Array.from({ length: 3000 }, (_, i) => `line ${(i * 7919) % 3001} of the text`).join("\n");
const packs = (pack: string, unpack: string): Scenario => ({
  name: pack,
  command: ["sh", "-c", `${pack} <text >packed && sha256sum packed && ${unpack} <packed | sha256sum`],
  prepare: writes("text", text),
});

const short: Scenario[] = [
  packs("gzip -9n", "gzip -d"),
  {
    name: "C++ exceptions",
    command: ["./throws"],
    prepare: async (directory) => {
      await writeFile(join(directory, "throws.cc"), THROWS);
      const { status, stderr } = spawnSync("g++", ["-O2", "-o", "throws", "throws.cc"], {
        cwd: directory,
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
    },
  },
  { name: "bash", command: ["bash", "-c", BASH] },
];
const long: Scenario[] = [
  packs("xz -6", "xz -d"),
  packs("zstd -q -9", "zstd -q -d"),
  { name: "sqlite3", command: ["sqlite3", ":memory:", SQL] },
  { name: "perl", command: ["perl", "-e", PERL] },
  {
    name: "openssl speed",
    command: ["openssl", "speed", "-elapsed", "-seconds", "1", "-bytes", "64", "sha256", "aes-128-cbc"],
    // What it prints is how fast that was.
    normalise: (output) =>
      output
        .replace(/[\d.]+k?/g, "N")
        .replace(/ +/g, " ")
        .replace(/ $/gm, ""),
  },
  { name: "gcc", command: ["gcc", "-O2", "-o", "x.o", "-c", "x.c"], prepare: writes("x.c", C_SOURCE), files: ["x.o"] },
];

/** Of CPython's own tests, those of the language, its types and its modules that need neither network nor minutes. */
const PYTHON_MODULES =
  "augassign base64 binascii binop bisect bool builtin charmapcodec codeccallbacks colorsys compare complex contains contextlib copy dict enumerate float fnmatch functools generators global grammar index int iter keyword list operator property raise re scope shlex slice struct textwrap tuple unary with";
const PYTHON = "/usr/bin/python3.11";

const GO_PROGRAMS = [
  ["hello-go.go", "go"],
  ["hello-go.go", "go-pie"],
  ["hello-cgo.go", "cgo"],
] as const;
/** The smallest Go program has more: its runtime's. */
const GO_INSTRUCTIONS_MIN = 80_000;
interface Statistics {
  readonly instructions: { readonly jumps: number; readonly B0: number; readonly unpatched: number };
}

function pythonModule(name: string): Scenario {
  return {
    name: `python3 test_${name}`,
    command: [PYTHON, "-m", "unittest", `test.test_${name}`],
    normalise: (output) => output.replace(/in [\d.]+s/, "in N s").replace(/0x[0-9a-f]+/g, "ADDRESS"),
  };
}

async function check(scenario: Scenario): Promise<void> {
  const name = `all, ${scenario.name}`;
  await compareRuns({ stdin: "", timeoutMs: 1_800_000, ...scenario, name, options: ["--match", "all"] });
}

const skip = isNativeStandIn() && "the native stand-in knows no options";

describe("programs with every instruction patched", { skip, concurrency: 2 }, () => {
  for (const scenario of short) test(scenario.name, () => check(scenario));
  for (const scenario of long) test(scenario.name, { skip: !isLong }, () => check(scenario));
  for (const [source, variant] of GO_PROGRAMS) {
    test(`Go: ${source}, ${variant}`, async () => {
      const command = [await buildProgram(source, variant)] as const;
      await check({ name: source, command });
      // Go's own functions have sites, not C's alone (src/engine/scan/go-functions.ts).
      const run = spawnSync(await launcherPath(), ["run", "--match", "all", "--stats=json", "--", ...command], {
        encoding: "utf8",
      });
      const { instructions } = JSON.parse(run.stderr.trimEnd().split("\n").at(-1) ?? "") as Statistics;
      const { jumps, B0, unpatched } = instructions;
      assert.ok(jumps + B0 > GO_INSTRUCTIONS_MIN && unpatched === 0, run.stderr);
    });
  }
  test("Go: goroutines and threads", { skip: !isLong }, async () => {
    await check({ name: "threads-go", command: [await buildProgram("threads-go.go", "go")], nativeStatus: "exit 4" });
  });
  for (const name of PYTHON_MODULES.split(" ")) {
    test(`python3, test_${name}`, { skip: !isLong || !existsSync(PYTHON) }, () => check(pythonModule(name)));
  }
});
