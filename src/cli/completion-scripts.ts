// The completion scripts themselves, one function for each shell: a head in which the words are (completion-words.ts) and a
// part that is always the same, which finds out what the word at the cursor is.
//
// All three know the same places: the first word (a command, a program, an option of flicker's own), behind a command its
// options and its argument, and from the program's name on whatever the shell would complete for that program.
//
// Static scripts: a script that calls `flicker` at each key would start Node each time.

import type { CommandWords, OptionWords, Value, Words } from "./completion-words.js";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** In single quotes for bash and zsh. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** In single quotes for fish, which knows escapes inside. */
const fishQuoted = (text: string): string => `'${text.replace(/['\\]/g, "\\$&")}'`;

const takesNextWord = ({ value, isValueOptional }: OptionWords): boolean => value !== null && !isValueOptional;
const namesOf = (words: Words): string[] => words.commands.map(({ name }) => name);
const namesBeforeProgram = (words: Words): string[] =>
  words.commands.filter(({ isBeforeProgram }) => isBeforeProgram).map(({ name }) => name);

// ---- bash

/** An option as bash offers it: one whose value is joined comes with each value that it can have. */
function bashOffers({ flags, value, isValueOptional }: OptionWords): string[] {
  if (!isValueOptional || value?.kind !== "words") return [...flags];
  return flags.flatMap((flag) => [flag, ...value.words.map((word) => `${flag}=${word}`)]);
}

/** A value as an argument list of _flicker_offer. */
function bashValue(value: Value | null): string {
  if (value === null) return "anything";
  return value.kind === "words" ? `words ${value.words.join(" ")}` : value.kind;
}

const bashOptionRow = (name: string, options: readonly OptionWords[]): string =>
  `    ${quoted(name)}) printf '%s\\n' ${options.flatMap(bashOffers).join(" ")} ;;`;

function bashValueRows({ name, options }: CommandWords): string[] {
  return options
    .filter(({ value }) => value !== null)
    .flatMap(({ flags, value }) =>
      flags.map((flag) => `    ${quoted(`${name} ${flag}`)}) _flicker_offer ${bashValue(value)} ;;`),
    );
}

function bashNextWordPatterns(words: Words): string {
  const patterns = words.commands.flatMap(({ name, options }) =>
    options.filter(takesNextWord).flatMap(({ flags }) => flags.map((flag) => quoted(`${name} ${flag}`))),
  );
  return patterns.length === 0 ? "''" : patterns.join(" | ");
}

function bashScript(words: Words): string {
  return `# Completion of flicker for bash, made by: flicker completion bash
_flicker_options() {
  case $1 in
${[bashOptionRow("", words.options), ...words.commands.map(({ name, options }) => bashOptionRow(name, options))].join("\n")}
  esac
}

_flicker_value() {
  case "$1 $2" in
${words.commands.flatMap(bashValueRows).join("\n")}
  esac
}

_flicker_argument() {
  case $1 in
${words.commands.map(({ name, argument }) => `    ${name}) _flicker_offer ${bashValue(argument)} ;;`).join("\n")}
  esac
}

_flicker_takes_next_word() {
  case "$1 $2" in
    ${bashNextWordPatterns(words)}) return 0 ;;
  esac
  return 1
}

_flicker_is_command() {
  case $1 in
    ${namesOf(words).join(" | ")}) return 0 ;;
  esac
  return 1
}

# Offers what fits $current of: words WORD..., file, folder, program.
_flicker_offer() {
  local kind=$1
  shift
  case $kind in
    words) mapfile -t COMPREPLY < <(compgen -W "$*" -- "$current") ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    program) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -A command -- "$current" | sort -u) ;;
  esac
}

# Completes a program's name and arguments as if they stood alone; $1 is where in COMP_WORDS its name is.
_flicker_program() {
  if ((COMP_CWORD == $1)); then
    _flicker_offer program
  elif declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "$1"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  else
    _flicker_offer file
  fi
}

_flicker() {
  local current=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} option= prefix= word at
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    if [[ $current == -* ]]; then
      _flicker_offer words $(_flicker_options '')
    else
      _flicker_offer program
      mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -W '${namesOf(words).join(" ")}' -- "$current")
    fi
    return
  fi
  if [[ $command == -- ]]; then
    _flicker_program 2
    return
  fi
  if ! _flicker_is_command "$command"; then
    [[ $command == -* ]] || _flicker_program 1
    return
  fi
  # COMP_WORDBREAKS usually has a =, which is then a word of its own: --stats = json.
  for ((at = 2; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == = ]]; then
      continue
    elif [[ -n $option ]]; then
      option=
    elif [[ $word == -- ]]; then
      _flicker_program $((at + 1))
      return
    elif [[ $word == -* ]]; then
      if [[ \${COMP_WORDS[at + 1]} == = ]] || _flicker_takes_next_word "$command" "$word"; then option=$word; fi
    elif [[ $command == run ]]; then
      _flicker_program "$at"
      return
    elif [[ ! $command =~ ^(${namesBeforeProgram(words).join("|")})$ ]]; then
      return
    fi
  done
  if [[ $current == = ]]; then
    current=
  elif [[ -z $option && $current == --*=* ]]; then
    option=\${current%%=*} prefix=\${current%%=*}= current=\${current#*=}
  fi
  if [[ -n $option ]]; then
    _flicker_value "$command" "$option"
    [[ -z $prefix ]] || COMPREPLY=("\${COMPREPLY[@]/#/$prefix}")
  elif [[ $current == -* ]]; then
    _flicker_offer words $(_flicker_options "$command")
  else
    _flicker_argument "$command"
  fi
}

complete -F _flicker flicker
`;
}

// ---- zsh

/** Inside the brackets of a specification of _arguments, or in front of the colon of one of _describe. */
const zshEscaped = (text: string): string => text.replace(/[[\]:\\]/g, "\\$&");

function zshAction(value: Value): string {
  switch (value.kind) {
    case "words":
      return `(${value.words.join(" ")})`;
    case "file":
      return "_files";
    case "folder":
      return "_files -/";
    case "program":
      return "_command_names -e";
    case "anything":
      return " ";
  }
}

function zshOption({ flags, description, value, isValueOptional }: OptionWords): string[] {
  return flags.map((flag) => {
    const alone = flag === "-h" || flag === "--help" ? "(- *)" : "";
    if (value === null) return quoted(`${alone}${flag}[${zshEscaped(description)}]`);
    const joint = isValueOptional ? "=-" : "=";
    const optional = isValueOptional ? "::" : ":";
    return quoted(`${flag}${joint}[${zshEscaped(description)}]${optional}value:${zshAction(value)}`);
  });
}

/** A program and its arguments, which _normal completes as if they stood alone. */
function zshProgram(options: readonly OptionWords[]): string {
  const nextWord = options.filter(takesNextWord).flatMap(({ flags }) => flags);
  return `      local -i at=2
      while ((at < CURRENT)); do
        case $words[at] in
          --) ((at++)); break ;;
          ${nextWord.length === 0 ? "''" : nextWord.join(" | ")}) ((at += 2)) ;;
          -*) ((at++)) ;;
          *) break ;;
        esac
      done
      if ((at < CURRENT)) || [[ $words[CURRENT-1] == -- ]]; then
        shift $((at - 1)) words
        ((CURRENT -= at - 1))
        _normal
        return
      fi
`;
}

/** A program behind -- likewise. */
const ZSH_BEHIND_DASHES = `      local -i at=$words[(i)--]
      if ((at < CURRENT)); then
        shift $at words
        ((CURRENT -= at))
        _normal
        return
      fi
`;

function zshCommand({ name, options, argument, isBeforeProgram }: CommandWords): string {
  const specifications = options.flatMap(zshOption);
  if (argument !== null) specifications.push(quoted(`1:argument:${zshAction(argument)}`));
  return `    ${name})
      shift words
      ((CURRENT--))
${argument?.kind === "program" ? zshProgram(options) : isBeforeProgram ? ZSH_BEHIND_DASHES : ""}      _arguments -S : \\
${specifications.map((specification) => `        ${specification}`).join(" \\\n")}
      ;;`;
}

function zshScript(words: Words): string {
  return `#compdef flicker
# Completion of flicker for zsh, made by: flicker completion zsh
_flicker() {
  local -a own_commands=(
${words.commands.map(({ name, description }) => `    ${quoted(`${name}:${zshEscaped(description)}`)}`).join("\n")}
  )
  if ((CURRENT == 2)); then
    if [[ $PREFIX == -* ]]; then
      _arguments -S : \\
${words.options
  .flatMap(zshOption)
  .map((specification) => `        ${specification}`)
  .join(" \\\n")}
    else
      _alternative \\
        'commands:command:{_describe -t commands command own_commands}' \\
        'programs:program:_command_names -e'
    fi
    return
  fi
  case $words[2] in
${words.commands.map(zshCommand).join("\n")}
    --)
      shift 2 words
      ((CURRENT -= 2))
      _normal
      ;;
    -*) ;;
    *)
      shift words
      ((CURRENT--))
      _normal
      ;;
  esac
}

# From a folder of fpath this file is the function; from a start-up file it only defines it.
if [[ $funcstack[1] == _flicker ]]; then
  _flicker "$@"
else
  compdef _flicker flicker
fi
`;
}

// ---- fish

/** What a line of \`complete\` says of an option's value. */
function fishValue({ value, isValueOptional }: OptionWords): string {
  const required = isValueOptional ? "" : " -r";
  switch (value?.kind) {
    case undefined:
      return "";
    case "words":
      return `${required} -f -a ${fishQuoted(value.words.join(" "))}`;
    case "file":
      return `${required} -F`;
    case "folder":
      return `${required} -f -a '(__fish_complete_directories)'`;
    case "program":
      return `${required} -f -a '(__fish_complete_command)'`;
    case "anything":
      return `${required} -f`;
  }
}

function fishOption(place: string, option: OptionWords): string {
  const flags = option.flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const description = fishQuoted(option.description);
  return `complete -c flicker -n '__flicker_is_at ${place}' ${flags.join(" ")}${fishValue(option)} -d ${description}`;
}

function fishArgument({ name, argument }: CommandWords): string[] {
  // Without the second condition fish would offer them for the value of an option as well (`--stats=`).
  const line = (what: string): string[] => [
    `complete -c flicker -n '__flicker_is_at ${name}; and not __flicker_is_option' ${what}`,
  ];
  switch (argument?.kind) {
    case undefined:
    case "anything":
      return [];
    case "words":
      return line(`-a ${fishQuoted(argument.words.join(" "))}`);
    case "file":
      return line("-F");
    case "folder":
      return line("-a '(__fish_complete_directories)'");
    case "program":
      return line("-a '(__fish_complete_command)'");
  }
}

function fishScript(words: Words): string {
  const nextWord = words.commands.flatMap(({ options }) => options.filter(takesNextWord).flatMap(({ flags }) => flags));
  return `# Completion of flicker for fish, made by: flicker completion fish

# Prints what the word at the cursor is: "first", the name of the command whose options and arguments come, or "program"
# and where the program's name is among the words.
function __flicker_place
    set -l words (commandline -opc)
    if test (count $words) -eq 1
        echo first
        return
    end
    switch $words[2]
        case --
            echo program 3
            return
        case ${namesOf(words).join(" ")}
        case '-*'
            return
        case '*'
            echo program 2
            return
    end
    set -l at 3
    while test $at -le (count $words)
        switch $words[$at]
            case --
                echo program (math $at + 1)
                return
            case ${nextWord.length === 0 ? "''" : nextWord.join(" ")}
                set at (math $at + 1)
            case '-*'
            case '*'
                if not contains -- $words[2] ${namesBeforeProgram(words).join(" ")}
                    test $words[2] = run; and echo program $at
                    return
                end
        end
        set at (math $at + 1)
    end
    echo $words[2]
end

function __flicker_is_at
    set -l place (string split ' ' -- (__flicker_place))
    test "$place[1]" = $argv[1]
end

function __flicker_is_option
    string match -q -- '-*' (commandline -ct)
end

# Completes the program's name and arguments as if they stood alone.
function __flicker_program
    set -l place (string split ' ' -- (__flicker_place))
    set -l words (commandline -opc)
    if test $place[2] -gt (count $words)
        __fish_complete_command
    else
        set -l alone (string escape -- $words[$place[2]..-1])
        complete -C "$alone "(commandline -ct)
    end
end

complete -c flicker -f
complete -c flicker -n '__flicker_is_at program' -a '(__flicker_program)'
complete -c flicker -n '__flicker_is_at first' -a '(__fish_complete_command)'
${[
  ...words.commands.map(
    ({ name, description }) =>
      `complete -c flicker -n '__flicker_is_at first' -a ${name} -d ${fishQuoted(description)}`,
  ),
  ...words.options.map((option) => fishOption("first", option)),
  ...words.commands.flatMap((command) => [
    ...fishArgument(command),
    ...command.options.map((option) => fishOption(command.name, option)),
  ]),
].join("\n")}
`;
}

const SCRIPTS: Record<Shell, (words: Words) => string> = { bash: bashScript, zsh: zshScript, fish: fishScript };

export const completionScript = (shell: Shell, words: Words): string => SCRIPTS[shell](words);
