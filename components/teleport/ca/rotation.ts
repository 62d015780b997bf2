/** A rotation of a Teleport CA that is under way, and what is to be done in each of its phases. Pure. */
import type { TeleportDocument } from "../client/tctl";

/**
 * A rotation that is under way. Plain values, since it is kept in the state, and each of them is there: what an update
 * leaves out is unknown in a preview, and so would be the warning.
 */
export interface CaRotation {
  /** `init`, `update_clients`, `update_servers` or `rollback`. */
  rotationPhase: string;
  /** The CA's type as `tctl auth rotate --type` takes it: `db_client` or `db`. */
  rotationType: string;
  /**
   * When Teleport enters update_clients, update_servers and standby by itself (ISO 8601); empty where somebody does that
   * by hand. A list, since objects come back from the state with their keys in any order.
   */
  rotationSchedule: string[];
}

/** The phases that follow on init, in their order; `standby` ends a rotation. */
const SCHEDULED = ["update_clients", "update_servers", "standby"];
/** The former CA is back in use; only `standby` follows. */
const ROLLBACK = "rollback";

/**
 * The rotation that a CA's document tells of. Teleport writes a schedule for rotations by hand as well, and follows it
 * only in the mode `auto` (its lib/auth/rotate.go).
 */
export function rotationOf({ sub_kind, spec }: TeleportDocument): CaRotation | undefined {
  const { phase, mode, schedule } = (spec.rotation ?? {}) as {
    phase?: string;
    mode?: string;
    schedule?: Record<string, string>;
  };
  if (!phase || phase === "standby") return undefined;
  return {
    rotationPhase: phase,
    rotationType: sub_kind ?? (spec.type as string),
    rotationSchedule: mode === "auto" && schedule ? SCHEDULED.map((next) => schedule[next] ?? "") : [],
  };
}

/** What the phase means for the databases, what is to be done next, and how to go back. */
export function rotationWarning(cluster: string, rotation: CaRotation): string {
  const { rotationPhase: phase, rotationType: type, rotationSchedule: schedule } = rotation;
  const underWay = `The database CA of the Teleport cluster ${cluster} is being rotated, phase ${phase}.`;
  const meaning = MEANING[phase];
  if (meaning === undefined)
    return `${underWay} Run \`pulumi up\` in each of its phases, and once more after the last.`;
  const enter = (next: string) => `\`tctl auth rotate --type=${type} --manual --phase=${next}\``;
  if (phase === ROLLBACK) {
    return `${underWay} ${meaning} Go on in this order: ${enter("standby")}, then \`pulumi up\`, which ends the trust in the new CA.`;
  }
  const remaining = SCHEDULED.slice(SCHEDULED.indexOf(phase) + 1);
  const last = "`pulumi up`, which ends the trust in the former CA";
  const next =
    schedule.length > 0
      ? byItself(remaining, schedule, last)
      : `Once \`pulumi up\` has ended, go on in this order: ${[...remaining.map(enter), last].join(", then ")}.`;
  const back = `To go back instead: ${enter(ROLLBACK)}, then ${enter("standby")}, then \`pulumi up\`.`;
  return [underWay, meaning, next, back].join(" ");
}

const NEW_CA_SHOWN =
  "Agents identify themselves with the new CA now, and a database refuses every login until a `pulumi up` since the phase init has ended.";

const MEANING: Record<string, string> = {
  init: "Agents still identify themselves with the former CA; `pulumi up` makes the databases trust the new one as well, without which they refuse every login from the phase update_clients on.",
  update_clients: NEW_CA_SHOWN,
  update_servers: NEW_CA_SHOWN,
  rollback: "Agents identify themselves with the former CA again.",
};

function byItself(remaining: readonly string[], schedule: readonly string[], last: string): string {
  const times = remaining.map((phase) => `${phase} at ${schedule[SCHEDULED.indexOf(phase)]}`);
  const before = remaining.includes("update_clients") ? " `pulumi up` must have ended before update_clients." : "";
  return `Teleport goes on by itself: ${times.join(", ")}.${before} After standby: ${last}.`;
}
