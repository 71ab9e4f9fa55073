// -c: a table of the calls, the time in them, and their errors.

import { signatureOf } from "./decode/call.js";
import { type TraceEvent } from "./event.js";

interface Row {
  name: string;
  count: number;
  errors: number;
  nanoseconds: bigint;
}

const RULE = "------ ----------- ----------- --------- --------- ----------------\n";
const HEAD = "% time     seconds  usecs/call     calls    errors syscall\n";

const seconds = (nanoseconds: bigint): string => (Number(nanoseconds) / 1e9).toFixed(6);

function rowText(row: Row, total: bigint): string {
  const share = total === 0n ? 0 : (100 * Number(row.nanoseconds)) / Number(total);
  const each = row.count === 0 ? 0n : row.nanoseconds / 1000n / BigInt(row.count);
  const columns = [
    share.toFixed(2).padStart(6),
    seconds(row.nanoseconds).padStart(11),
    String(each).padStart(11),
    String(row.count).padStart(9),
    (row.errors === 0 ? "" : String(row.errors)).padStart(9),
    row.name,
  ];
  return `${columns.join(" ")}\n`;
}

export class Summary {
  private readonly rows = new Map<number, Row>();

  /** Counts calls that have returned. */
  add(event: TraceEvent): void {
    if (event.kind !== "call" && event.kind !== "leave") return;
    let row = this.rows.get(event.number);
    if (row === undefined) {
      row = { name: signatureOf(event.number).name, count: 0, errors: 0, nanoseconds: 0n };
      this.rows.set(event.number, row);
    }
    row.count++;
    if (event.result < 0n && event.result > -4096n) row.errors++;
    row.nanoseconds += event.end - event.start;
  }

  /** @returns the table, empty when nothing was counted */
  text(): string {
    const rows = [...this.rows.values()];
    if (rows.length === 0) return "";
    rows.sort((a, b) => Number(b.nanoseconds - a.nanoseconds) || b.count - a.count || (a.name < b.name ? -1 : 1));
    const total = rows.reduce<Row>(
      (sum, row) => ({
        name: "total",
        count: sum.count + row.count,
        errors: sum.errors + row.errors,
        nanoseconds: sum.nanoseconds + row.nanoseconds,
      }),
      { name: "total", count: 0, errors: 0, nanoseconds: 0n },
    );
    const lines = rows.map((row) => rowText(row, total.nanoseconds));
    return HEAD + RULE + lines.join("") + RULE + rowText(total, total.nanoseconds);
  }
}
