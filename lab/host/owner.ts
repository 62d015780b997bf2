/** Whose lab this is: there is one on a machine, and the first who brings it up says where its state lies. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { NETWORK, RUN, STATE } from "../layout";
import { writeWhole } from "./private-file";

/** State folder of the lab that is on this machine, if it is somebody else's. */
export function otherOwner(): string | undefined {
  if (!existsSync(RUN.owner) || !existsSync(NETWORK.handle)) return undefined;
  const { state } = JSON.parse(readFileSync(RUN.owner, "utf8")) as { state: string };
  return state === STATE.root ? undefined : state;
}

export function refuseForeignLab(): void {
  const state = otherOwner();
  if (!state) return;
  throw new Error(
    `A lab is already on this machine: its state is in ${state}, yours would be in ${STATE.root}. There can be one. ` +
      `Use that one as its owner, or take it down first with that owner's HOME: npm run lab -- down`,
  );
}

export function recordOwner(): void {
  writeWhole(RUN.owner, `${JSON.stringify({ state: STATE.root })}\n`, 0o644);
}

export function forgetOwner(): void {
  rmSync(RUN.root, { recursive: true, force: true });
}
