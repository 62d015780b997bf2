/** Whose lab this is: there is one on a machine, and the first who brings it up says where its state lies. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { NETWORK, RUN, STATE } from "../layout";
import { writeWhole } from "./private-file";

/** State folder of the lab that is on this machine, if it is somebody else's. */
export function otherOwner(): string | undefined {
  if (!existsSync(RUN.owner) || !existsSync(NETWORK.handle)) return undefined;
  const { state } = JSON.parse(readFileSync(RUN.owner, "utf8")) as { state: string };
  return state === STATE.root ? undefined : state;
}

export function foreignLabMessage(state: string): string {
  return (
    `A lab is already on this machine: its state is in ${state}, yours would be in ${STATE.root}. There can be one. ` +
    `Use that one, or take it down first: XDG_STATE_HOME=${dirname(dirname(state))} npm run lab -- down`
  );
}

export function refuseForeignLab(): void {
  const state = otherOwner();
  if (state) throw new Error(foreignLabMessage(state));
}

export function recordOwner(): void {
  writeWhole(RUN.owner, `${JSON.stringify({ state: STATE.root })}\n`, 0o644);
}

export function forgetOwner(): void {
  rmSync(RUN.root, { recursive: true, force: true });
}
