/**
 * Selects the CAs of a Teleport cluster that sign the certificates which its agents present to databases; the
 * certificates of an external CA that override them (Teleport Enterprise, 18 and newer: `kind:
 * cert_authority_override`), which neither an export of the CA nor its document contains; and the current rotation,
 * with what to do in each of its phases. Pure, except for the client.
 */
import { TeleportError } from "../client/errors";
import { TeleportClient, TeleportDocument } from "../client/tctl";

/**
 * CA types, newest first. Teleport split `db_client` off from `db`. A cluster that has `db_client` signs the
 * certificates of database clients only with it; an older cluster signs them with `db`.
 */
const CLIENT_CA_TYPES = [
  "db_client",
  "db", // Teleport 13 and 14
];

/** The database client CA of a Teleport cluster. */
export interface DatabaseClientCa extends Partial<CaRotation> {
  /** Name of the Teleport cluster. */
  cluster: string;
  /**
   * Certificates in PEM: first those in use, then those that a rotation adds or removes, then those that override
   * them, with their chains.
   */
  certificates: string[];
}

/**
 * Reads the CA with both certificates of a rotation, which `tctl auth export` shows only since 2026, and with the
 * certificates that override them.
 */
export async function readDatabaseClientCa(teleport: TeleportClient): Promise<DatabaseClientCa> {
  const documents = await teleport.get("cert_authorities");
  // Only clusters with this type can have overrides. Others get no second request.
  const isNewer = documents.some(({ sub_kind }) => sub_kind === CLIENT_CA_TYPES[0]);
  const overrides = isNewer ? await readCaOverrides(teleport) : [];
  return selectDatabaseClientCa([...documents, ...overrides], teleport.cluster);
}

/**
 * Selects the database client CA of a cluster from all CAs that the cluster knows, including those of trusted
 * clusters.
 *
 * @param cluster name of the Teleport cluster; optional if the documents name only one
 * @throws TeleportError "failed" if there is no such CA, or if the cluster is ambiguous
 */
export function selectDatabaseClientCa(documents: TeleportDocument[], cluster?: string): DatabaseClientCa {
  const authorities = documents.filter(({ kind }) => kind === "cert_authority");
  const ofType = (type: string) =>
    authorities.filter((document) => document.sub_kind === type || document.spec.type === type);
  const candidates =
    CLIENT_CA_TYPES.map(ofType).find((found) => found.some(({ metadata }) => !cluster || metadata.name === cluster)) ??
    [];
  const names = [...new Set(candidates.map(({ metadata }) => metadata.name))];
  const name = cluster ?? (names.length === 1 ? names[0] : undefined);
  const authority = candidates.find(({ metadata }) => metadata.name === name);
  if (!authority || !name) {
    throw new TeleportError(
      "failed",
      names.length > 1
        ? `Teleport knows the database CAs of several clusters (${names.join(", ")}); use an identity file, whose issuer identifies the cluster.`
        : `Teleport shows no database CA${cluster ? ` of the cluster ${cluster}` : ""}. Give the identity's user the right to list cert_authority (registrarRole; docs/permissions.md, "Teleport role").`,
    );
  }
  const overrides = overridingCertificates(documents, name, authority.sub_kind);
  const certificates = [...new Set([...certificatesOf(authority), ...overrides])];
  return { cluster: name, certificates, ...rotationOf(authority) };
}

function certificatesOf({ metadata, spec }: TeleportDocument): string[] {
  const keySets = [spec.active_keys, spec.additional_trusted_keys] as ({ tls?: { cert: string }[] } | undefined)[];
  const certificates = keySets
    .flatMap((keys) => keys?.tls ?? [])
    .map(({ cert }) => Buffer.from(cert, "base64").toString("utf8"));
  if (certificates.length === 0)
    throw new TeleportError("failed", `Teleport's database CA of ${metadata.name} has no certificate.`);
  return certificates;
}

const KIND = "cert_authority_override";

/** Messages of tctl for an unknown kind, and of a server for an unknown service. */
const UNKNOWN_KIND =
  /unsupported resource|is not supported|resource type .* unknown|unknown service|[Uu]nimplemented|not implemented/;

let hasWarned = false;

/**
 * Returns all overrides. Empty if Teleport does not know overrides, or if the identity may not read them; then it
 * prints a warning.
 */
async function readCaOverrides(teleport: TeleportClient): Promise<TeleportDocument[]> {
  try {
    return await teleport.get(KIND);
  } catch (error) {
    if (!(error instanceof TeleportError)) throw error;
    if (error.failure === "access-denied") {
      warnOnce(
        `Could not check whether Teleport's database client CA is overridden: ${error.message} If you use no override, ` +
          `ignore this. Otherwise give the program's role the rights to list and read ${KIND} (docs/permissions.md, "Teleport role").`,
      );
      return [];
    }
    if (UNKNOWN_KIND.test(error.message)) return [];
    throw error;
  }
}

/** All databases of a program read the same overrides, so the warning is printed once. */
function warnOnce(text: string): void {
  if (hasWarned) return;
  hasWarned = true;
  console.error(text);
}

/** The field in JSON, with the name of tctl and with the name of protobuf's JSON. */
interface OverrideSpec {
  certificate_overrides?: Override[];
  certificateOverrides?: Override[];
}

interface Override {
  certificate?: string;
  /** From the certificate's issuer to the root, which may be missing. */
  chain?: string[];
  disabled?: boolean;
}

/** The certificates that override a CA of a cluster, each followed by its chain. */
function overridingCertificates(
  documents: readonly TeleportDocument[],
  cluster: string,
  type: string | undefined,
): string[] {
  return documents
    .filter(({ kind, sub_kind, subKind, metadata }) => {
      return kind === KIND && metadata.name === cluster && (sub_kind ?? subKind) === type;
    })
    .flatMap(({ spec }) => {
      const { certificate_overrides, certificateOverrides = [] } = spec as OverrideSpec;
      return certificate_overrides ?? certificateOverrides;
    })
    .filter(({ disabled }) => disabled !== true)
    .flatMap(({ certificate, chain = [] }) => (certificate ? [certificate, ...chain] : []));
}

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
