/**
 * The leases of a role in Vault. Create changes nothing: it checks that the role's name does not belong to another
 * connection. Delete revokes all credentials that the role gave out. Delete runs after the role is deleted, so that
 * Vault gives out no new ones, and before the connection is deleted.
 */
import { dropUsers } from "../postgres/user-admin";
import { ClusterReference, findCluster, removeIfRunning } from "../postgres/psql";
import { readOnlyReason } from "../cnpg/replica";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../kubernetes/client";
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
 * How long Vault may take to remove leases. It still asks the database for each of them, and waits for a database
 * that does not answer. Leases that remain are removed together with the connection.
 */
export const FORGET_WITHIN_MS = 30_000;

/** The resource kind. The parameters are the ways to reach Kubernetes and Vault. */
export function vaultLeases(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  withEngine: WithEngine = withVaultEngine,
): ResourceKind<LeasesInputs> {
  return {
    id: ({ mount, role }) => credentialsPath(mount, role),

    replaces: (olds, news) => (["mount", "role"] as const).filter((key) => olds[key] !== news[key]),

    declared: ({ context, namespace, cluster, uid, vault = {}, mount, role, database, names, revokeWithin }) => [
      ...[context, namespace, cluster, uid, vault, mount, role, database, names, revokeWithin],
    ],

    /** A state without the connection was written by an older version. */
    differs: async (news, { connection = news.connection }) => connection !== news.connection,

    async apply(inputs, olds) {
      if (!olds) await withEngine(inputs.vault, (engine) => refuseRoleOfOtherConnection(engine, inputs));
      return inputs;
    },

    read: async (state) => (state?.mount === undefined ? undefined : state),

    async remove(state) {
      const kubernetes = await connect(state);
      const cluster = await findCluster(kubernetes, state);
      await withEngine(state.vault, async (engine) => {
        // The role may belong to another connection by now, e.g. if two stacks created it at the same time. Then its
        // leases belong there too.
        if (state.connection !== undefined && (await roleOfOtherConnection(engine, state))) return;
        const path = credentialsPath(state.mount, state.role);
        // Vault cannot drop a user without its database. And without the database its users are gone, or cannot log
        // in.
        if (
          cluster &&
          readOnlyReason(cluster) === undefined &&
          (await revokeOrDropUsers(engine, kubernetes, state)) === "by Vault"
        )
          return;
        await engine.forget(path, FORGET_WITHIN_MS);
      });
    },
  };

  async function revokeOrDropUsers(
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
      console.error(
        `Vault could not revoke the credentials of ${path}, so this program drops the users itself: ${error.message}`,
      );
    }
    const query = vaultUsersQuery(inputs.names, { pattern: usernamePattern(inputs.role) });
    await removeIfRunning(kubernetes, inputs, `the users of ${path}, until they expire`, () =>
      dropUsers(kubernetes, inputs, { database: inputs.database, newOwner: inputs.names.group }, query),
    );
    return "without Vault";
  }
}

/** A role belongs to the mount: creating one overwrites another of the same name. */
async function refuseRoleOfOtherConnection(engine: VaultEngine, inputs: LeasesInputs): Promise<void> {
  const other = await roleOfOtherConnection(engine, inputs);
  if (!other) return;
  throw new VaultError(
    "failed",
    `The role ${inputs.role} in Vault's mount ${inputs.mount} belongs to the connection ${other.db_name ?? "of another database"}. ` +
      "Choose another name for the role, or another mount. Nothing was changed.",
  );
}

/**
 * The role of this name if it belongs to another connection. Undefined if there is no such role, or it belongs to
 * this connection.
 */
export async function roleOfOtherConnection(
  engine: VaultEngine,
  { mount, connection, role }: Pick<LeasesInputs, "mount" | "connection" | "role">,
): Promise<FoundRole | undefined> {
  const found = await engine.readRole(`${mount}/roles/${role}`);
  return found?.db_name === connection ? undefined : found;
}
