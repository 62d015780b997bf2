/** The current rotation of a Teleport CA, and what to do in each of its phases. Pure. */
import type { TeleportDocument } from "../client/tctl";

/**
 * The current rotation. All fields are required and plain values, since they are kept in the state: a field that an
 * update leaves out is unknown in a preview, and then so is the warning.
 */
export interface CaRotation {
  /** `init`, `update_clients`, `update_servers` or `rollback`. */
  rotationPhase: string;
  /** The CA type for `tctl auth rotate --type`: `db_client` or `db`. */
  rotationType: string;
  /**
   * When Teleport enters update_clients, update_servers and standby automatically (ISO 8601). Empty for a manual
   * rotation. It is a list, because the state returns the keys of objects in any order.
   */
  rotationSchedule: string[];
}

/** The phases after init, in order. `standby` ends a rotation. */
const SCHEDULED = ["update_clients", "update_servers", "standby"];
/** The phase in which the former CA is in use again. Only `standby` can follow. */
const ROLLBACK = "rollback";

/**
 * The rotation in a CA's document. Teleport also writes a schedule for manual rotations, but follows it only in the
 * mode `auto` (its lib/auth/rotate.go).
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

/** The warning: what the phase means for the databases, what to do next, and how to roll back. */
export function rotationWarning(cluster: string, rotation: CaRotation): string {
  const { rotationPhase: phase, rotationType: type, rotationSchedule: schedule } = rotation;
  const underWay = `The database CA of the Teleport cluster ${cluster} is being rotated, phase ${phase}.`;
  const meaning = MEANING[phase];
  if (meaning === undefined)
    return `${underWay} Run \`pulumi up\` in each of its phases, and once more after the last.`;
  const enter = (next: string) => `\`tctl auth rotate --type=${type} --manual --phase=${next}\``;
  if (phase === ROLLBACK) {
    return `${underWay} ${meaning} Continue in this order: ${enter("standby")}, then \`pulumi up\`, which removes the new CA from the databases.`;
  }
  const remaining = SCHEDULED.slice(SCHEDULED.indexOf(phase) + 1);
  const last = "`pulumi up`, which removes the former CA from the databases";
  const next =
    schedule.length > 0
      ? scheduleText(remaining, schedule, last)
      : `When \`pulumi up\` has finished, continue in this order: ${[...remaining.map(enter), last].join(", then ")}.`;
  const back = `To roll back instead: ${enter(ROLLBACK)}, then ${enter("standby")}, then \`pulumi up\`.`;
  return [underWay, meaning, next, back].join(" ");
}

const NEW_CA_SHOWN =
  "Agents now identify themselves with the new CA. A database refuses every login until one `pulumi up` has finished since the phase init began.";

const MEANING: Record<string, string> = {
  init: "Agents still identify themselves with the former CA. `pulumi up` makes the databases trust the new CA as well. Without it, they refuse every login from the phase update_clients on.",
  update_clients: NEW_CA_SHOWN,
  update_servers: NEW_CA_SHOWN,
  rollback: "Agents identify themselves with the former CA again.",
};

function scheduleText(remaining: readonly string[], schedule: readonly string[], last: string): string {
  const times = remaining.map((phase) => `${phase} at ${schedule[SCHEDULED.indexOf(phase)]}`);
  const before = remaining.includes("update_clients") ? " `pulumi up` must have finished before update_clients." : "";
  return `Teleport continues automatically: ${times.join(", ")}.${before} After standby: ${last}.`;
}
