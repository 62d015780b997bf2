/**
 * The methods of Pulumi's provider behind the leases of a role. Nothing is made: it is seen that the role's name is not
 * another connection's. When it is deleted, all credentials that the role gave out end. It goes after the role, so that no new ones come, and before the connection.
 */
import { endUsers } from "../postgres/drop-users";
import { ClusterReference, findCluster, unlessStopped } from "../postgres/psql";
import { sleepReason } from "../cnpg/sleep";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../kubernetes/client";
import { UNKNOWN } from "../teleport/resources/document";
import type { Provider } from "../dynamic/methods";
import { VaultError } from "../vault/errors";
import { vaultUsersQuery } from "./role-scripts";
import { credentialsPath, usernamePattern, VaultConnection, VaultUserNames } from "./settings";
import { FoundRole, VaultEngine, WithEngine, withVaultEngine } from "./vault-engine";

export interface LeasesInputs extends KubernetesConnection, ClusterReference {
  vault?: VaultConnection;
  mount: string;
  /** Name of the connection that the role is for. */
  connection: string;
  role: string;
  database: string;
  names: VaultUserNames;
  /** Seconds. */
  revokeWithin: number;
}

/**
 * How long Vault may take to forget leases. It asks the database for each of them all the same, and waits for one that
 * does not answer: what is left then is forgotten when the connection is removed.
 */
export const FORGET_WITHIN_MS = 30_000;

export function leases(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  withEngine: WithEngine = withVaultEngine,
): Provider<LeasesInputs, LeasesInputs> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },

    async diff(_id, olds, news) {
      const replaces = (["mount", "role"] as const).filter((key) => olds[key] !== news[key] && news[key] !== UNKNOWN);
      // A state that does not name the connection yet is of an older version.
      const before = { ...olds, connection: olds.connection ?? news.connection };
      const isElsewhere = olds.context !== news.context;
      return { changes: isElsewhere || JSON.stringify(told(before)) !== JSON.stringify(told(news)), replaces };
    },

    async create(inputs) {
      await withEngine(inputs.vault, (engine) => refuseRoleOfOther(engine, inputs));
      return { id: credentialsPath(inputs.mount, inputs.role), outs: inputs };
    },

    async read(id, props) {
      return props?.mount === undefined ? {} : { id, props };
    },

    async update(_id, _olds, news) {
      return { outs: news };
    },

    async delete(_id, props) {
      const kubernetes = await connect(props);
      const cluster = await findCluster(kubernetes, props);
      await withEngine(props.vault, async (engine) => {
        // By now the role is another's, as where two stacks made it at once: so are its leases.
        if (props.connection !== undefined && (await roleOfOther(engine, props))) return;
        const path = credentialsPath(props.mount, props.role);
        // Without its database Vault cannot end a user; and the users are gone with it, or cannot log in.
        if (cluster && sleepReason(cluster) === undefined && (await end(engine, kubernetes, props)) === "by Vault")
          return;
        await engine.forget(path, FORGET_WITHIN_MS);
      });
    },
  };

  async function end(
    engine: VaultEngine,
    kubernetes: KubernetesClient,
    inputs: LeasesInputs,
  ): Promise<"by Vault" | "without Vault"> {
    const path = credentialsPath(inputs.mount, inputs.role);
    try {
      await engine.revoke(path, inputs.revokeWithin * 1_000);
      return "by Vault";
    } catch (error) {
      if (!(error instanceof VaultError) || error.failure === "access-denied") throw error;
      console.error(`Vault could not end the credentials of ${path}, so they are ended without it: ${error.message}`);
    }
    const query = vaultUsersQuery(inputs.names, { pattern: usernamePattern(inputs.role) });
    await unlessStopped(kubernetes, inputs, `the users of ${path}, until they expire`, () =>
      endUsers(kubernetes, inputs, { database: inputs.database, heir: inputs.names.group }, query),
    );
    return "without Vault";
  }
}

/** Roles belong to the mount: what has the name of ours is overwritten when it is made, which comes next. */
async function refuseRoleOfOther(engine: VaultEngine, inputs: LeasesInputs): Promise<void> {
  const other = await roleOfOther(engine, inputs);
  if (!other) return;
  throw new VaultError(
    "failed",
    `The role ${inputs.role} in Vault's mount ${inputs.mount} belongs to the connection ${other.db_name ?? "of another database"}; ` +
      "choose another name for the role, or another mount. Nothing was changed.",
  );
}

/** The role of this name where it is for another connection; undefined where there is none, or it is ours. */
export async function roleOfOther(
  engine: VaultEngine,
  { mount, connection, role }: Pick<LeasesInputs, "mount" | "connection" | "role">,
): Promise<FoundRole | undefined> {
  const found = await engine.readRole(`${mount}/roles/${role}`);
  return found?.db_name === connection ? undefined : found;
}

/** What is declared; how the cluster is reached does not count. */
function told({ namespace, cluster, uid, vault, mount, connection, role, ...inputs }: LeasesInputs): unknown[] {
  const { database, names, revokeWithin } = inputs;
  return [namespace, cluster, uid, vault ?? {}, mount, connection, role, database, names, revokeWithin];
}

export const leaseOperations = leases();
