/** CertAuthority: reads a Teleport cluster's database client CA. */
import { UNKNOWN } from "../resources/document";
import type { CaRotation } from "./rotation";
import { DatabaseClientCa, readDatabaseClientCa } from "./select";
import { TeleportError } from "../client/errors";
import type { ResourceKind } from "../../dynamic/converge";
import { pingProxy } from "../client/ping";
import { readPublicDatabaseClientCa } from "./public-endpoint";
import { TeleportConnection, withTeleport } from "../client/tctl";

/** Inputs of a CertAuthority: whom to ask, as given; the rest is read by `check`, so that preview shows a change. */
export interface CertAuthorityInputs extends TeleportConnection, Partial<DatabaseClientCa> {
  /** `proxy`: as anybody may, at the proxy's public endpoint. Absent, also in older states: with the identity. */
  source?: "proxy";
  /** For the source `proxy`: path of the CAs that its certificate may be signed by. */
  caFile?: string;
}

type Asked = Pick<CertAuthorityInputs, "proxy" | "credentials" | "source" | "caFile">;

/** What makes a change; `__provider` does not. */
const COMPARED = [
  ...(["proxy", "credentials", "source", "caFile", "cluster", "certificates"] as const),
  ...(["rotationPhase", "rotationType", "rotationSchedule"] as const),
];

/** What Pulumi takes for values that are not known yet. */
const NOT_KNOWN_YET = { certificates: UNKNOWN as unknown as string[], cluster: UNKNOWN };

/** The kind over ways of reading and of asking a proxy whether it is there; the tests put a fake Teleport behind. */
export function certAuthority(
  readCa: (asked: Asked) => Promise<DatabaseClientCa> = readAsAsked,
  ping: typeof pingProxy = pingProxy,
): ResourceKind<CertAuthorityInputs> {
  return {
    id: ({ cluster, proxy }) => cluster ?? proxy,
    async check(news, olds) {
      const asked = askedOf(news);
      // In a preview, the proxy may be another resource's output.
      if (news.proxy === UNKNOWN) return { inputs: { ...asked, ...NOT_KNOWN_YET } };
      try {
        return { inputs: { ...asked, ...(await readCa(asked)) } };
      } catch (error) {
        // What was read before still holds where nothing in Teleport has to change; a rotation shows when it answers again.
        const known = olds?.proxy === news.proxy && olds.certificates;
        if (!known || !(error instanceof TeleportError) || !(await isAway(error, news.proxy))) throw error;
        console.error(
          `The Teleport CA at ${news.proxy} could not be read, the one known before is kept: ${error.message}`,
        );
        const { certificates, cluster } = olds;
        return { inputs: { ...asked, certificates, cluster, ...knownRotation(olds) } };
      }
    },
    declared: (inputs) => COMPARED.map((key) => inputs[key]),
    async read(state) {
      if (!state) return undefined;
      const { rotationPhase: _phase, rotationType: _type, rotationSchedule: _schedule, ...known } = state;
      return { ...known, ...(await readCa(state)) };
    },
  };

  /** Where Teleport is away for longer than an identity lasts, nobody can get a new one. */
  async function isAway({ failure }: TeleportError, proxy: string): Promise<boolean> {
    if (failure === "identity") return (await ping(proxy)).answers === "no";
    return failure === "unavailable";
  }
}

/** Of a rotation what the state remembers; one of an older release knows the phase alone. */
function knownRotation({ rotationPhase, rotationType = "db", rotationSchedule = [] }: Partial<CaRotation>) {
  return rotationPhase === undefined ? {} : { rotationPhase, rotationType, rotationSchedule };
}

/** Whom to ask, without undefined values, which Pulumi does not take. */
function askedOf({ proxy, credentials, source, caFile }: CertAuthorityInputs): Asked {
  return {
    proxy,
    ...(credentials === undefined ? {} : { credentials }),
    ...(source === undefined ? {} : { source }),
    ...(caFile === undefined ? {} : { caFile }),
  };
}

function readAsAsked({ proxy, credentials, source, caFile }: Asked): Promise<DatabaseClientCa> {
  return source === "proxy"
    ? readPublicDatabaseClientCa({ proxy, caFile })
    : withTeleport({ proxy, credentials }, readDatabaseClientCa);
}
