/** What is printed to the console's error stream meanwhile, line by line. */
export async function printedBy(run: () => Promise<unknown>): Promise<string[]> {
  const [printed, print] = [[] as string[], console.error];
  console.error = (line: string) => void printed.push(line);
  try {
    await run();
  } finally {
    console.error = print;
  }
  return printed;
}
