// `flicker completion SHELL`: prints a script that makes a shell complete flicker's command line.

import { Argument, type Command } from "commander";
import { completionScript, SHELLS, type Shell } from "./completion-scripts.js";
import { wordsOf } from "./completion-words.js";

const EXAMPLES = `
Behind run -- or a program's name, the shell completes what it would complete
without flicker in front.

bash, with the package bash-completion:
  flicker completion bash \\
    >~/.local/share/bash-completion/completions/flicker
bash without it, in ~/.bashrc:
  eval "$(flicker completion bash)"
zsh, with fpath=(~/.zfunc $fpath) in front of compinit in ~/.zshrc:
  flicker completion zsh >~/.zfunc/_flicker
fish:
  flicker completion fish >~/.config/fish/completions/flicker.fish`;

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .usage("SHELL")
    .description("print a script that makes a shell complete flicker's arguments")
    .addArgument(new Argument("<SHELL>", "the shell that the script is for").choices(SHELLS))
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES)
    .action((shell: Shell) => {
      process.stdout.write(completionScript(shell, wordsOf(program)));
    });
}
