/** The methods of Pulumi's provider behind the reading of a Teleport cluster's database client CA. */
import type { CaRotation } from "./rotation";
import { DatabaseClientCa, readDatabaseClientCa } from "./select";
import { TeleportError } from "../client/errors";
import type { Provider } from "../../dynamic/methods";
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

/** The methods over ways of reading and of asking a proxy whether it is there; the tests put a fake Teleport behind. */
export function certAuthorityMethods(
  read: (asked: Asked) => Promise<DatabaseClientCa>,
  ping: typeof pingProxy = pingProxy,
): Provider<CertAuthorityInputs, CertAuthorityInputs> {
  return {
    async check(olds, news) {
      const asked = askedOf(news);
      try {
        return { inputs: { ...asked, ...(await read(asked)) } };
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
    async diff(_id, olds, news) {
      const told = (state: CertAuthorityInputs) => JSON.stringify(COMPARED.map((key) => state[key]));
      return { changes: told(olds) !== told(news) };
    },
    async create(inputs) {
      return { id: inputs.cluster ?? inputs.proxy, outs: inputs };
    },
    async read(id, props) {
      if (!props) return {};
      const { rotationPhase: _phase, rotationType: _type, rotationSchedule: _schedule, ...known } = props;
      return { id, props: { ...known, ...(await read(props)) } };
    },
    async update(_id, _olds, news) {
      return { outs: news };
    },
    async delete() {
      // Reading made nothing, so there is nothing to remove.
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

export const certAuthorityOperations = certAuthorityMethods(readAsAsked);

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
