// Sees every call begin and end, and does nothing.
import { SystemCall } from "flicker/hook";

export function beforeCall(call: SystemCall): void {}
export function afterCall(call: SystemCall): void {}
