/**
 * Pulumi's process for dynamic providers outlives an engine that is killed. It would continue its work beside the next run,
 * and never end. The engine holds the other end of its standard input (`cmd.StdinPipe` of
 * sdk/go/common/resource/plugin/plugin.go), so the process notices when the engine ends, for whatever reason.
 */

/** Path of this process's program in Pulumi's Node SDK. */
const PROVIDER_PROCESS = /[\\/]dynamic-provider([\\/]|$)/;

/** The parts of `process` that are used. Tests pass a fake. */
export type Host = Pick<NodeJS.Process, "argv" | "exit"> & {
  stdin: Pick<NodeJS.ReadStream, "once" | "resume" | "unref">;
};

/** Ends this process when its engine ends. Does nothing in a process that is not the one for dynamic providers. */
export function endWithEngine(host: Host = process): void {
  if (!PROVIDER_PROCESS.test(host.argv[1] ?? "")) return;
  const end = () => host.exit(1);
  host.stdin.once("end", end);
  host.stdin.once("error", end);
  host.stdin.resume();
  host.stdin.unref();
}
