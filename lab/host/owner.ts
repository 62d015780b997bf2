/** The owner of the lab. A machine has one lab, and whoever starts it first determines the folder of its state. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { NETWORK, RUN, STATE } from "../layout";
import { writeWhole } from "./private-file";

/** State folder of the lab on this machine, if it belongs to someone else. */
export function otherOwner(): string | undefined {
  if (!existsSync(RUN.owner) || !existsSync(NETWORK.handle)) return undefined;
  const { state } = JSON.parse(readFileSync(RUN.owner, "utf8")) as { state: string };
  return state === STATE.root ? undefined : state;
}

export function otherLabMessage(state: string): string {
  return (
    `A lab is already on this machine: its state is in ${state}, yours would be in ${STATE.root}. A machine can have only one. ` +
    `Use that lab, or stop it first: XDG_STATE_HOME=${dirname(dirname(state))} npm run lab -- down`
  );
}

export function refuseOtherLab(): void {
  const state = otherOwner();
  if (state) throw new Error(otherLabMessage(state));
}

export function recordOwner(): void {
  writeWhole(RUN.owner, `${JSON.stringify({ state: STATE.root })}\n`, 0o644);
}

export function forgetOwner(): void {
  rmSync(RUN.root, { recursive: true, force: true });
}
