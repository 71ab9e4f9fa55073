// One line on standard error, in colour when a person reads it there.

import pc from "picocolors";

const colours = pc.createColors(process.stderr.isTTY && !process.env["NO_COLOR"]);

export const formatMessage = (line: string): string => `${colours.red("flicker:")} ${line}\n`;

export function warn(line: string): void {
  process.stderr.write(formatMessage(line));
}
