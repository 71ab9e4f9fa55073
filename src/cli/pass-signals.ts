/** What a terminal or a supervisor sends to end a program. */
export const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Lets a program decide what ends it: while `run` does, signals go to the program by the function that is given to `onStart`. What
 * was found out about it until then is wanted all the more.
 */
export async function passSignals<T>(
  run: (onStart: (kill: (signal: NodeJS.Signals) => void) => void) => Promise<T>,
): Promise<T> {
  let kill: (signal: NodeJS.Signals) => void = () => undefined;
  const onSignal = (signal: NodeJS.Signals): void => kill(signal);
  for (const signal of PASSED_ON) process.on(signal, onSignal);
  try {
    return await run((send) => (kill = send));
  } finally {
    for (const signal of PASSED_ON) process.off(signal, onSignal);
  }
}
