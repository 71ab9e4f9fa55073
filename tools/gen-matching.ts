// Writes the tables of names into docs/matching.md, from src/match/names.ts: between the lines `<!-- names -->` and
// `<!-- end of names -->`.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import { MNEMONIC_ALIASES, type Name, NAMES } from "../src/match/names.js";

const PAGE = join(dirname(fileURLToPath(import.meta.url)), "../docs/matching.md");
const START = "<!-- names -->";
const END = "<!-- end of names -->";

function table(head: string, kinds: readonly Name["kind"][], extra: readonly string[] = []): string {
  const rows = [...NAMES].filter(([, { kind }]) => kinds.includes(kind));
  return [
    `| ${head} | holds for, or is |`,
    "| --- | --- |",
    ...extra,
    ...rows.map(([name, { meaning }]) => `| \`${name}\` | ${meaning} |`),
    "",
  ].join("\n");
}

function aliases(): string {
  const isCondition = (name: string): boolean => /^(j|set|cmov)n?[a-z]{1,3}$/.test(name) && name !== "jecxz";
  const shown = [...MNEMONIC_ALIASES].filter(([name]) => !isCondition(name));
  return shown.map(([name, of]) => `\`${name}\` (${of.map((each) => `\`${each}\``).join(", ")})`).join(", ");
}

/** The text of docs/matching.md. */
export async function generateMatching(): Promise<string> {
  const page = readFileSync(PAGE, "utf8");
  const [before, rest] = page.split(START) as [string, string];
  const after = rest.split(END)[1]!;
  const text = [
    "### Classes\n",
    table("class", ["class"], ["| `all` | every instruction |"]),
    "### Values\n",
    table("value", ["mnemonic", "number"]),
    "### Registers of an address\n",
    table("value", ["register"]),
    "### Sets\n",
    table("set", ["set"]),
    "### Texts\n",
    table("text", ["text"]),
    "### Other names of mnemonics\n",
    `Conditions have all their names in jumps, \`set\` and \`cmov\`: \`jz\` is \`je\`, \`setc\` is \`setb\`. And ${aliases()}.\n`,
  ].join("\n");
  return format(`${before}${START}\n\n${text}\n${END}${after}`, { parser: "markdown", printWidth: 120 });
}

export { PAGE as MATCHING_PAGE };
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, await generateMatching());
