/**
 * Moves the clock for the plan: the expiry times in the state become earlier, as if the stack had last run that much
 * earlier. @pulumi/tls compares the times in the state, in each plan, to decide whether a certificate is due.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../lab/drive/stack";

interface State {
  deployment: { resources: { type: string; urn: string; outputs?: Record<string, unknown> }[] };
}

/** As if this many hours had passed for all certificates except the CAs. Resolves to the number of certificates. */
export async function hoursLater(stack: Stack, hours: number): Promise<number> {
  const state = JSON.parse(await stack.state()) as State;
  const certificates = state.deployment.resources.filter(
    ({ outputs }) => typeof outputs?.validityEndTime === "string" && outputs.isCaCertificate !== true,
  );
  for (const { outputs = {} } of certificates) {
    for (const time of ["validityStartTime", "validityEndTime"]) {
      outputs[time] = new Date(Date.parse(outputs[time] as string) - hours * 3_600_000).toISOString();
    }
  }
  const folder = mkdtempSync(join(tmpdir(), "state-"));
  try {
    const file = join(folder, "state.json");
    writeFileSync(file, JSON.stringify(state), { mode: 0o600 });
    await stack.must(["stack", "import", `--file=${file}`]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return certificates.length;
}
