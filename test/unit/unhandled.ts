/** The errors with which Pulumi would end a program. */
export async function unhandled(program: () => unknown): Promise<unknown[]> {
  const event = "unhandledRejection";
  const others = process.listeners(event);
  const failures: unknown[] = [];
  const note = (error: unknown) => void failures.push(error);
  process.removeAllListeners(event).on(event, note);
  try {
    program();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return failures;
  } finally {
    process.off(event, note);
    for (const other of others) process.on(event, other);
  }
}
