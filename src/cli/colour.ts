// Whether to write in colour: on a terminal alone, and never when NO_COLOR says so.
//
// Of the customs that users have (no-color.org, bixense.com/clicolors, FORCE_COLOR of Node's tools) the first that speaks
// wins: NO_COLOR with any value; FORCE_COLOR or CLICOLOR_FORCE other than 0 colours without a terminal, FORCE_COLOR=0
// forbids; CLICOLOR=0 and TERM=dumb forbid. An empty value counts as unset.

import { isatty } from "node:tty";
import pc from "picocolors";

/** @param isTerminal whether what is written goes to a terminal */
export function wantsColour(environment: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  const { NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM } = environment;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return !["0", "false"].includes(FORCE_COLOR);
  if (CLICOLOR_FORCE && CLICOLOR_FORCE !== "0") return true;
  if (CLICOLOR === "0" || TERM === "dumb") return false;
  return isTerminal;
}

// Not `stream.isTTY`: that is undefined for a pipe, and picocolors then asks the environment itself.
const coloursOf = (descriptor: number) => pc.createColors(wantsColour(process.env, isatty(descriptor)));

export const outputColours = coloursOf(1);
export const messageColours = coloursOf(2);
