/** The methods of Pulumi's provider behind the reading of a Teleport cluster's database client CA. */
import { readDatabaseClientCa } from "./cert-authorities";
import { TeleportError } from "./errors";
import type { Provider } from "./operations";
import { TeleportConnection, withTeleport } from "./tctl";

/** Inputs of a CertAuthority: the connection as given; the rest is read by `check`, so that preview shows a change. */
export interface CertAuthorityInputs extends TeleportConnection {
  cluster?: string;
  certificates?: string[];
  rotationPhase?: string;
}

export const certAuthorityOperations: Provider<CertAuthorityInputs, CertAuthorityInputs> = {
  async check(olds, { proxy, credentials }) {
    const connection = { proxy, ...(credentials === undefined ? {} : { credentials }) };
    try {
      return { inputs: { ...connection, ...(await withTeleport(connection, readDatabaseClientCa)) } };
    } catch (error) {
      // What was read before still holds where nothing in Teleport has to change; a rotation shows when it answers again.
      const known = olds?.proxy === proxy && olds.certificates;
      if (!known || !(error instanceof TeleportError) || error.failure !== "unavailable") throw error;
      console.error(`The Teleport CA at ${proxy} could not be read, the one known before is kept: ${error.message}`);
      return { inputs: { ...olds, ...connection } };
    }
  },
  async diff(_id, olds, news) {
    const told = ({ proxy, credentials, cluster, certificates, rotationPhase }: CertAuthorityInputs) =>
      JSON.stringify([proxy, credentials, cluster, certificates, rotationPhase]);
    return { changes: told(olds) !== told(news) };
  },
  async create(inputs) {
    return { id: inputs.cluster ?? inputs.proxy, outs: inputs };
  },
  async read(id, props) {
    if (!props) return {};
    const { rotationPhase: _former, ...known } = props; // Pulumi takes no undefined values
    return { id, props: { ...known, ...(await withTeleport(props, readDatabaseClientCa)) } };
  },
  async update(_id, _olds, news) {
    return { outs: news };
  },
  async delete() {
    // Reading made nothing, so there is nothing to remove.
  },
};
