// The launcher with hooks linked in: made once for these hooks and this engine, and kept in the user's cache (../cache.ts).
//
// It is made while a program waits to be started, so nothing is loaded here that a launcher from the cache does not need.

import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { LauncherCache, sha256 } from "../cache.js";
import { LauncherError, findLauncher } from "../launcher.js";
import { hashInputs, productsOf } from "../products.js";
import { HookError } from "./error.js";
import { Observations } from "./known-launcher.js";

/** What of the installation decides what a hook becomes, beside the launcher without hooks. */
const HOOK_INPUTS = ["src/sdk", "src/host/hook", "src/backend", "src/match"];
const IMPORT = /\b(?:from|import)\s*["'](\.[^"']*)["']/g;

/** The file itself and what it imports by relative paths, each once: what a compiled hook is made from. */
function sourcesOf(file: string, observed: Observations, seen = new Map<string, Buffer>()): Map<string, Buffer> {
  const path = resolve(file);
  if (seen.has(path)) return seen;
  observed.add(path);
  const content = readHook(file);
  seen.set(path, content);
  if (!path.endsWith(".ts")) return seen;
  for (const [, wanted = ""] of content.toString().matchAll(IMPORT)) {
    const target = resolve(dirname(path), wanted);
    const found = [`${target}.ts`, join(target, "index.ts"), target].find((candidate) => {
      observed.add(candidate);
      return existsSync(candidate);
    });
    // What is missing is for the compiler to say.
    if (found !== undefined) sourcesOf(found, observed, seen);
  }
  return seen;
}

function readHook(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new HookError(`${file}: ${code === "ENOENT" ? "no such file" : message}`, { cause: error });
  }
}

/**
 * The path of the launcher with these hooks, which see a call in the order of `files`.
 * @param expression which instructions are sites (docs/matching.md), or null
 * @param warn gets one line when the cache cannot be used
 * @param observed gets everything that the launcher is made from
 * @throws HookError for a hook that cannot be built, MatchError, LauncherError or CacheError
 */
export async function findHookedLauncher(
  root: string,
  files: readonly string[],
  warn: (line: string) => void,
  expression: string | null = null,
  observed = new Observations(),
): Promise<string> {
  // A mistake in it should not wait for the engine's build.
  if (expression !== null) (await import("./expression.js")).matchAsHook(expression);
  observed.addInstallation(root, HOOK_INPUTS);
  // The launcher without hooks is as good as what the others are made from.
  const plain = await findLauncher(root, warn);
  const key = ["hooks", sha256(readFileSync(plain)), hashInputs(root, HOOK_INPUTS)];
  if (expression !== null) key.push("match", expression);
  for (const file of files) {
    if (!/\.(ts|wasm)$/.test(file)) throw new HookError(`${file}: a hook is a .ts or a .wasm file`);
    key.push(basename(file), ...[...sourcesOf(file, observed).values()].map((content) => sha256(content)));
  }
  return LauncherCache.open(warn).findOrStore(sha256(key.join("\0")), () => build(root, files, expression));
}

async function build(root: string, files: readonly string[], expression: string | null): Promise<Uint8Array> {
  const { compileHook } = await import("./compile-hook.js");
  const { buildLauncher } = await import("../../backend/build-launcher.js");
  const { emitGates } = await import("../../backend/gates/index.js");
  const { ENGINE_OPTIONS } = await import("../../backend/x64/compile.js");
  const { WasmError } = await import("../../backend/wasm/reader.js");
  const hooks = [];
  for (const file of files) {
    const hook = await compileHook(file, join(root, "src/sdk"));
    if (hook.waitsForMatch && expression === null)
      throw new HookError(
        `${basename(file)}: it exports before, replace or after, but no match; --match EXPR can say which instructions`,
      );
    hooks.push(hook);
  }
  if (expression !== null) hooks.push((await import("./expression.js")).matchAsHook(expression));
  const { wasm } = productsOf(root);
  if (!existsSync(wasm)) throw new LauncherError(`${wasm} is missing; run npm run build in ${root}`);
  try {
    return buildLauncher(readFileSync(wasm), emitGates, ENGINE_OPTIONS, hooks);
  } catch (error) {
    if (!(error instanceof WasmError)) throw error;
    const offset = /offset 0x([0-9a-f]+)/.exec(error.message)?.[1];
    const places = offset === undefined ? [] : hooks.map(({ placeOf }) => placeOf(parseInt(offset, 16)));
    const place = hooks.length === 1 ? places[0] : undefined;
    const where = place ?? files.map((file) => basename(file)).join(", ");
    throw new HookError(`${where}: ${error.message.replace(/^wasm: /, "")}`, { cause: error });
  }
}
