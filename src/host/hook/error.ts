/** A hook that cannot be built: one line for the user, or several of a compiler's. */
export class HookError extends Error {}
