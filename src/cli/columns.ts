/** Lines with columns as wide as they must be: the first to the right, the others to the left unless `toRight` has them. */
export function alignColumns(lines: readonly (readonly string[])[], toRight: readonly number[] = [0]): string[] {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line
      .map((cell, i) => (toRight.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}
