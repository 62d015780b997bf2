/**
 * The leases of a role in Vault. Nothing is made: it is seen that the role's name is not another connection's. When it is
 * deleted, all credentials that the role gave out end. It goes after the role, so that no new ones come, and before the
 * connection.
 */
import { endUsers } from "../postgres/user-admin";
import { ClusterReference, findCluster, unlessStopped } from "../postgres/psql";
import { sleepReason } from "../cnpg/sleep";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../kubernetes/client";
import { UNKNOWN } from "../dynamic/unknown";
import type { ResourceKind } from "../dynamic/converge";
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

/** The kind over ways of reaching Kubernetes and Vault. */
export function vaultLeases(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  withEngine: WithEngine = withVaultEngine,
): ResourceKind<LeasesInputs> {
  return {
    id: ({ mount, role }) => credentialsPath(mount, role),

    replaces: (olds, news) =>
      (["mount", "role"] as const).filter((key) => olds[key] !== news[key] && news[key] !== UNKNOWN),

    declared: ({ context, namespace, cluster, uid, vault = {}, mount, role, database, names, revokeWithin }) => [
      ...[context, namespace, cluster, uid, vault, mount, role, database, names, revokeWithin],
    ],

    /** A state that does not name the connection yet is of an older version. */
    differs: async (news, { connection = news.connection }) => connection !== news.connection,

    async apply(inputs, olds) {
      if (!olds) await withEngine(inputs.vault, (engine) => refuseRoleOfOther(engine, inputs));
      return inputs;
    },

    read: async (state) => (state?.mount === undefined ? undefined : state),

    async remove(state) {
      const kubernetes = await connect(state);
      const cluster = await findCluster(kubernetes, state);
      await withEngine(state.vault, async (engine) => {
        // By now the role is another's, as where two stacks made it at once: so are its leases.
        if (state.connection !== undefined && (await roleOfOther(engine, state))) return;
        const path = credentialsPath(state.mount, state.role);
        // Without its database Vault cannot end a user; and the users are gone with it, or cannot log in.
        if (cluster && sleepReason(cluster) === undefined && (await end(engine, kubernetes, state)) === "by Vault")
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
