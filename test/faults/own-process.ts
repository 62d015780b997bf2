/** A separate server for a test, which ends with the test, however that ends. */
import { ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { tail } from "../../lab/host/command";
import { waitFor } from "../../lab/host/wait";

export interface OwnProcess {
  /** Stops the server, and waits until it has ended. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Starts a server and waits until it is ready. Fails with the end of its log if it is not.
 *
 * @param log a file for all its output
 */
export async function startServer(
  command: readonly string[],
  log: string,
  serves: () => Promise<boolean>,
  env: NodeJS.ProcessEnv = {},
): Promise<OwnProcess> {
  const [program = "", ...args] = command;
  const output = openSync(log, "a", 0o600);
  const child = spawn(program, args, { stdio: ["ignore", output, output], env: { ...process.env, ...env } });
  closeSync(output);
  const started: OwnProcess = { end: (signal = "SIGKILL") => ended(child, signal) };
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  try {
    await waitFor(`${program} serves`, serves, { limit: 90, hint: () => tail(log, 8) });
  } catch (error) {
    await started.end();
    throw error;
  }
  return started;
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}
