// One line on standard error, in colour when a person reads it there.

import { messageColours } from "./colour.js";

export const formatMessage = (line: string): string => `${messageColours.red("flicker:")} ${line}\n`;

export function warn(line: string): void {
  process.stderr.write(formatMessage(line));
}
