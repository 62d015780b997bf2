/**
 * Pulumi's process for dynamic providers outlives an engine that is killed: it would go on with what it was asked, beside
 * the next run, and stay for ever. The engine holds the other end of its standard input (`cmd.StdinPipe` of
 * sdk/go/common/resource/plugin/plugin.go), so that it is told when the engine ends, however that is.
 */

/** Where Pulumi's Node SDK has the program of that process. */
const PROVIDER_PROCESS = /[\\/]dynamic-provider([\\/]|$)/;

/** What is asked of a process; the tests put a fake in its place. */
export type Host = Pick<NodeJS.Process, "argv" | "exit"> & {
  stdin: Pick<NodeJS.ReadStream, "once" | "resume" | "unref">;
};

/** Ends this process when its engine ends. Does nothing in any other process than that for dynamic providers. */
export function endWithEngine(host: Host = process): void {
  if (!PROVIDER_PROCESS.test(host.argv[1] ?? "")) return;
  const end = () => host.exit(1);
  host.stdin.once("end", end);
  host.stdin.once("error", end);
  host.stdin.resume();
  host.stdin.unref();
}
