// What a shell offers at the end of a command line, asked of the shell itself.
//
// bash: the function that the script registers, with COMP_WORDS as bash splits the line. zsh: a zsh on a pseudo-terminal
// of its own (zpty) that is sent the line and a tab; its compadd writes what it is given to a file. fish: `complete -C`.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const hasShell = (shell: string): boolean => spawnSync(shell, ["-c", ":"]).error === undefined;

/** Splits a line as bash does with = and : in COMP_WORDBREAKS. */
function bashWords(line: string): string[] {
  const words = line.split(" ").flatMap((word) => word.split(/([=:]+)/).filter((part) => part !== ""));
  return line.endsWith(" ") ? [...words, ""] : words;
}

const BASH_DRIVER = `
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="\${COMP_WORDS[*]}" COMP_POINT=\${#COMP_LINE}
compopt() { :; } # It only works while bash itself asks.
_flicker
printf '%s\\n' "\${COMPREPLY[@]}"
`;

const ZSH_DRIVER = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "source $1 $2 $3"
zpty -r shell output '*flicker-ready*' || exit 1
zpty -n -w shell "$4"$'\\t'
while zpty -r shell output; do :; done
`;

/** $1: the script, $2: where matches go. */
const ZSH_SETUP = `
PS1= PROMPT_EOL_MARK=
autoload -Uz compinit
compinit -u -D
source $1
typeset -g matches_file=$2
: >$matches_file
bindkey '^I' complete-word
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
    builtin compadd "$@"
    return
  fi
  local -a hits
  builtin compadd -A hits "$@"
  print -rl -- $hits >>$matches_file
  builtin compadd "$@"
}
comppostfuncs=(exit)
print flicker-ready
`;

export type CompletingShell = "bash" | "zsh" | "fish";

/** The words that a shell offers for the last word of `line`, sorted, each once. */
export function complete(shell: CompletingShell, script: string, line: string, cwd: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), "flicker-complete-"));
  try {
    const file = join(folder, `flicker.${shell}`);
    writeFileSync(file, script);
    return [...new Set(ask(shell, file, line, folder, cwd))].filter((word) => word !== "").sort();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ask(shell: CompletingShell, file: string, line: string, folder: string, cwd: string): string[] {
  const run = (args: readonly string[]): string => {
    const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, TERM: "xterm" };
    const { stdout, stderr, error } = spawnSync(shell, args, { encoding: "utf8", cwd, env, timeout: 20_000 });
    if (error) throw error;
    if (stderr !== "") throw new Error(`${shell}: ${stderr}`);
    return stdout;
  };
  switch (shell) {
    case "bash":
      return run(["--norc", "-c", BASH_DRIVER, "bash", file, ...bashWords(line)]).split("\n");
    case "fish":
      return run(["-c", `source ${file}; complete -C $argv[1]`, line])
        .split("\n")
        .map((match) => match.split("\t")[0] as string);
    case "zsh": {
      const [setup, matches] = [join(folder, "setup.zsh"), join(folder, "matches")];
      writeFileSync(setup, ZSH_SETUP);
      run(["-f", "-c", ZSH_DRIVER, "zsh", setup, file, matches, line]);
      return readFileSync(matches, "utf8").split("\n");
    }
  }
}
