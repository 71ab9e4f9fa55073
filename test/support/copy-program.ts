import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * Copies a program, by a process of its own. A file that this process has open for writing is open in each child that it starts
 * at that moment, too, until that one executes something; and what somebody can write cannot be executed (ETXTBSY).
 */
export async function copyProgram(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", [from, to]);
}
