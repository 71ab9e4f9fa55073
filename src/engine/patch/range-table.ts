// Ranges of memory, each with a protection and a state: in order, apart, and neighbours that are alike are one.
//
// All functions expect the caller to hold the engine lock.

import { Address } from "../process";

@unmanaged
class Range {
  start: Address;
  end: Address;
  protection: u32;
  state: u32;
}

const RANGE_SIZE: usize = 24;

/** Its ranges lie behind it: `memory.data` of 64 bytes and 24 for each. `capacity` is set before the first `add`. */
@unmanaged
export class RangeTable {
  /** Of the last `next`: the part of a range that lies in the range that was asked for. */
  start: Address;
  end: Address;
  protection: u64;
  /** What did not fit: a range around all of it. */
  overflowStart: Address;
  overflowEnd: Address;
  state: u32;
  count: u32;
  /** How many ranges have room behind the table itself. */
  capacity: u32;
  padding: u32;

  private at(index: u32): Range {
    return changetype<Range>(changetype<usize>(this) + offsetof<RangeTable>() + (index as usize) * RANGE_SIZE);
  }

  /** The first range that ends behind an address; `count` when there is none. */
  private firstEndingBehind(address: Address): u32 {
    let low: u32 = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at(middle).end <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes place for one range at `index`; false when there is none. */
  private insertAt(index: u32): bool {
    if (this.count == this.capacity) return false;
    const place = changetype<usize>(this.at(index));
    memory.copy(place + RANGE_SIZE, place, (this.count - index) * (RANGE_SIZE as u32));
    this.count += 1;
    return true;
  }

  private removeAt(index: u32): void {
    const place = changetype<usize>(this.at(index));
    this.count -= 1;
    memory.copy(place, place + RANGE_SIZE, (this.count - index) * (RANGE_SIZE as u32));
  }

  private overflow(start: Address, end: Address): void {
    this.overflowStart = this.overflowEnd == 0 ? start : min(this.overflowStart, start);
    this.overflowEnd = max(this.overflowEnd, end);
  }

  /** Takes [start, end) out. */
  cut(start: Address, end: Address): void {
    let index = this.firstEndingBehind(start);
    while (index < this.count && this.at(index).start < end) {
      const range = this.at(index);
      const rangeEnd = range.end;
      if (range.start >= start && rangeEnd <= end) {
        this.removeAt(index);
        continue;
      }
      if (range.start >= start) {
        range.start = end;
        return;
      }
      range.end = start;
      index++;
      if (rangeEnd <= end) continue;
      if (!this.insertAt(index)) return this.overflow(end, rangeEnd);
      const rest = this.at(index);
      rest.start = end;
      rest.end = rangeEnd;
      rest.protection = range.protection;
      rest.state = range.state;
      return;
    }
  }

  private joins(range: Range, protection: u32, state: u32): bool {
    return range.protection == protection && range.state == state;
  }

  /** Puts [start, end) in, in the place of what is there. */
  add(start: Address, end: Address, protection: u64, state: u32): void {
    if (start >= end) return;
    this.cut(start, end);
    const index = this.firstEndingBehind(start);
    const word = protection as u32;
    const joinsBelow = index != 0 && this.at(index - 1).end == start && this.joins(this.at(index - 1), word, state);
    const joinsAbove = index < this.count && this.at(index).start == end && this.joins(this.at(index), word, state);
    if (joinsBelow) {
      this.at(index - 1).end = end;
      if (!joinsAbove) return;
      this.at(index - 1).end = this.at(index).end;
      return this.removeAt(index);
    }
    if (joinsAbove) {
      this.at(index).start = start;
      return;
    }
    if (!this.insertAt(index)) return this.overflow(start, end);
    const range = this.at(index);
    range.start = start;
    range.end = end;
    range.protection = word;
    range.state = state;
  }

  /** Whether anything of [start, end) is in the table, or may be. */
  has(start: Address, end: Address): bool {
    if (start >= end) return false;
    if (start < this.overflowEnd && end > this.overflowStart) return true;
    const index = this.firstEndingBehind(start);
    return index < this.count && this.at(index).start < end;
  }

  /** Finds the first part of [start, end) that is in the table. */
  next(start: Address, end: Address): bool {
    const index = this.firstEndingBehind(start);
    if (start >= end || index == this.count || this.at(index).start >= end) return false;
    const range = this.at(index);
    this.start = max(start, range.start);
    this.end = min(end, range.end);
    this.protection = range.protection;
    this.state = range.state;
    return true;
  }

  /** How many ranges can be put in yet. */
  room(): u32 {
    return this.capacity - this.count;
  }
}
