// File names with wildcards, as an expression of the matching language.

import { resolve } from "node:path";

/** `*` and `?` stand for no slash, `**` does; `[a-z]` and `[!a-z]` are as in a shell. */
function regexOf(glob: string): string {
  return glob.replace(/\*\*|\*|\?|\[!?[^\]]+\]|[^\w/-]/g, (part) => {
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    // The language's texts cannot hold it.
    if (part === '"') return "[^/]";
    if (part.length > 1) return part.replace(/^\[!/, "[^");
    return `\\${part}`;
  });
}

/** Files whose path matches one of the patterns, or their last part where the pattern has no slash; null for no pattern: all. */
export function expressionOfGlobs(globs: readonly string[]): string | null {
  if (globs.length === 0) return null;
  const tests = globs.map((glob) => {
    const regex = glob.includes("/") ? `^${regexOf(resolve(glob))}$` : `(^|/)${regexOf(glob)}$`;
    return `file ~ "${regex}"`;
  });
  return tests.join(" or ");
}
