// docs/troubleshooting.md explains every message with which Flicker itself fails (status 125), and every reason not to run a
// program (126, 127): they are read from the sources.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";

const read = (path: string): string => readFileSync(join(packageRoot, path), "utf8");

function sources(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(join(folder, name)));
}

/** Where the messages are: what each pattern's first group finds. */
const PATTERNS: readonly [where: string[], pattern: RegExp][] = [
  [sources("src/engine/load"), /\b(?:fail|refuse)\((?:[\w.]+,\s*)?"([^"]+)"/g],
  [[read("src/engine/load/start.ts")], /(?:\breturn|\breason =) "([^"]+)";/g],
  // Lines that the engine puts together itself; statistics are no failure.
  [sources("src/engine"), /"flicker: ([^"]+)"/g],
  [sources("src/host"), /new (?:LauncherError|CacheError)\(\s*[`"]([^\n]+)[`"][,)]/g],
  [sources("src/host/").filter((text) => text.includes("class LauncherCache")), /\bwarn\(`([^`]+)`\)/g],
  [[read("src/cli/run.ts")], /new LauncherError\("([^"]+)"\)/g],
  [[read("bin/flicker")], /printf 'flicker: ([^']+)'/g],
];

/** The fixed parts of a message: without what is put in, and without the line's end. */
const partsOf = (message: string): string[] =>
  message
    .split(/\$\{[^}]*\}|%s|\\n/)
    .map((part) => part.replace(/^[\s:;(]+|[\s:;(),]+$/g, ""))
    .filter((part) => part.length > 3);

test("every message with which a start fails is in docs/troubleshooting.md", () => {
  const page = read("docs/troubleshooting.md").replaceAll("`", "").replace(/\s+/g, " ");
  const messages = PATTERNS.flatMap(([where, pattern]) =>
    where.flatMap((text) => [...text.matchAll(pattern)].map(([, message]) => message as string)),
  );
  assert.ok(messages.length > 20, `only ${messages.length} messages were found`);
  const missing = messages.filter((message) =>
    partsOf(message.replaceAll("`", "")).some((part) => !page.includes(part)),
  );
  assert.deepEqual(missing, []);
});
