/** CertAuthority: reads a Teleport cluster's database client CA. */
import { UNKNOWN } from "../../value-check";
import { type CaRotation, DatabaseClientCa, readDatabaseClientCa } from "./database-client-ca";
import { TeleportError } from "../client/errors";
import type { ResourceKind } from "../../dynamic/converge";
import { pingProxy } from "../client/ping";
import { readPublicDatabaseClientCa } from "./public-endpoint";
import { TeleportConnection, withTeleport } from "../client/tctl";

/**
 * Inputs of a CertAuthority: which Teleport to ask. `check` reads the other fields, so that a preview shows a change.
 */
export interface CertAuthorityInputs extends TeleportConnection, Partial<DatabaseClientCa> {
  /**
   * `proxy`: read the CA at the proxy's public endpoint, without an identity. Absent, also in older states: read it
   * with the identity.
   */
  source?: "proxy";
  /** For the source `proxy`: path of a file with the CAs that may have signed the proxy's certificate. */
  caFile?: string;
}

type CaQuery = Pick<CertAuthorityInputs, "proxy" | "credentials" | "source" | "caFile">;

/** Fields whose change is a change of the resource; `__provider` is not one of them. */
const COMPARED = [
  ...(["proxy", "credentials", "source", "caFile", "cluster", "certificates"] as const),
  ...(["rotationPhase", "rotationType", "rotationSchedule"] as const),
];

/** What Pulumi takes for values that are not known yet. */
const NOT_KNOWN_YET = { certificates: UNKNOWN as unknown as string[], cluster: UNKNOWN };

/** The resource kind. The parameters read the CA and ping the proxy; tests replace them with a fake Teleport. */
export function certAuthority(
  readCa: (query: CaQuery) => Promise<DatabaseClientCa> = readCaOf,
  ping: typeof pingProxy = pingProxy,
): ResourceKind<CertAuthorityInputs> {
  return {
    id: ({ cluster, proxy }) => cluster ?? proxy,
    async check(news, olds) {
      const query = queryOf(news);
      // In a preview, the proxy may be another resource's output.
      if (news.proxy === UNKNOWN) return { inputs: { ...query, ...NOT_KNOWN_YET } };
      try {
        return { inputs: { ...query, ...(await readCa(query)) } };
      } catch (error) {
        // The former CA stays in use while Teleport is unavailable. A rotation becomes visible when Teleport answers
        // again.
        const known = olds?.proxy === news.proxy && olds.certificates;
        if (!known || !(error instanceof TeleportError) || !(await isUnavailable(error, news.proxy))) throw error;
        console.error(
          `The Teleport CA at ${news.proxy} could not be read, so the CA from the last run is kept: ${error.message}`,
        );
        const { certificates, cluster } = olds;
        return { inputs: { ...query, certificates, cluster, ...knownRotation(olds) } };
      }
    },
    declared: (inputs) => COMPARED.map((key) => inputs[key]),
    async read(state) {
      if (!state) return undefined;
      const { rotationPhase: _phase, rotationType: _type, rotationSchedule: _schedule, ...known } = state;
      return { ...known, ...(await readCa(state)) };
    },
  };

  /**
   * While Teleport is unavailable, nobody can get a new identity. So an expired identity counts as unavailable as
   * well.
   */
  async function isUnavailable({ failure }: TeleportError, proxy: string): Promise<boolean> {
    if (failure === "identity") return (await ping(proxy)).answers === "no";
    return failure === "unavailable";
  }
}

/** The rotation in the state. A state of an older release has only the phase. */
function knownRotation({ rotationPhase, rotationType = "db", rotationSchedule = [] }: Partial<CaRotation>) {
  return rotationPhase === undefined ? {} : { rotationPhase, rotationType, rotationSchedule };
}

/** The query without undefined values, which Pulumi does not accept. */
function queryOf({ proxy, credentials, source, caFile }: CertAuthorityInputs): CaQuery {
  return {
    proxy,
    ...(credentials === undefined ? {} : { credentials }),
    ...(source === undefined ? {} : { source }),
    ...(caFile === undefined ? {} : { caFile }),
  };
}

function readCaOf({ proxy, credentials, source, caFile }: CaQuery): Promise<DatabaseClientCa> {
  return source === "proxy"
    ? readPublicDatabaseClientCa({ proxy, caFile })
    : withTeleport({ proxy, credentials }, readDatabaseClientCa);
}
