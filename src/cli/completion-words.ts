// What can stand where on the command line, read from commander's table: the source of the completion scripts.
//
// The name of a value says what it is: FILE, FOLDER, PROG (a program, and behind it that program's own arguments). Where
// commander knows the `choices`, they are offered.

import type { Argument, Command, Option } from "commander";

export type Value =
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "file" | "folder" | "program" | "anything" };

export interface OptionWords {
  /** With dashes: ["-h", "--help"]. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Null for an option without a value. */
  readonly value: Value | null;
  /** Whether the value can be left out; it must then be joined to the option (`--stats=json`). */
  readonly isValueOptional: boolean;
}

export interface CommandWords {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionWords[];
  /** The first argument, or null. */
  readonly argument: Value | null;
  /** Arguments of its own may come before a `--` with a program behind it. */
  readonly isBeforeProgram: boolean;
}

export interface Words {
  readonly options: readonly OptionWords[];
  readonly commands: readonly CommandWords[];
}

function valueOf(name: string, choices: readonly string[] | undefined): Value {
  if (choices !== undefined) return { kind: "words", words: choices };
  switch (name) {
    case "FILE":
      return { kind: "file" };
    case "FOLDER":
      return { kind: "folder" };
    case "PROG":
      return { kind: "program" };
    default:
      return { kind: "anything" };
  }
}

function optionWords(option: Option): OptionWords {
  const valueName = /[<[](\w+)/.exec(option.flags)?.[1];
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description: option.description,
    value: valueName === undefined ? null : valueOf(valueName, option.argChoices),
    isValueOptional: option.optional,
  };
}

function argumentValue(argument: Argument | undefined): Value | null {
  return argument === undefined ? null : valueOf(argument.name(), argument.argChoices);
}

/** The help option is none of `command.options`, but of what its help shows. */
const optionsOf = (command: Command): OptionWords[] => command.createHelp().visibleOptions(command).map(optionWords);

/** @param program with all of its commands added */
export function wordsOf(program: Command): Words {
  return {
    options: optionsOf(program),
    commands: program.commands.map((command) => ({
      name: command.name(),
      description: command.description(),
      options: optionsOf(command),
      argument: argumentValue(command.registeredArguments[0]),
      isBeforeProgram: / -- PROG/.test(command.usage()) && command.registeredArguments[0]?.name() !== "PROG",
    })),
  };
}
