/**
 * Vault's own user in PostgreSQL, and its connection in Vault. They are one resource, because they share a password
 * that must not outlive the step that creates it: the program generates the password here, gives PostgreSQL its SCRAM
 * verifier, and gives it to Vault, which rotates it at once. The password is in no state. A later `up` writes the
 * connection without a password, so Vault keeps the one that it has.
 */
import { hasDrifted, ResourceKind } from "../dynamic/converge";
import { dropUsers } from "../postgres/user-admin";
import {
  ClusterReference,
  findClusterByName,
  findCluster,
  hasReadyInstance,
  MAINTENANCE_DATABASE,
  warnSkipped,
  sqlInPrimary,
  removeIfRunning,
} from "../postgres/psql";
import { DATABASES_QUERY } from "../postgres/grants";
import { readOnlyReason } from "../cnpg/replica";
import { KubernetesClient, kubernetesClient, KubernetesConnection, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { UNKNOWN } from "../value-check";
import { VaultError } from "../vault/errors";
import {
  connectionDrift,
  connectionDocument,
  ConnectionSettings,
  isSameConnection,
  VaultEngine,
  WithEngine,
  withVaultEngine,
} from "./vault-engine";
import { dropVaultDatabaseScript, vaultDatabaseDriftQuery, vaultDatabaseScript } from "./database-scripts";
import { FORGET_WITHIN_MS, roleOfOtherConnection } from "./lease-operations";
import {
  passwordScript,
  permanentPasswordQuery,
  permanentPasswordScript,
  takeOverScript,
  vaultRolesDriftQuery,
  vaultRolesQuery,
  vaultRolesScript,
  vaultUsersQuery,
  type VaultUsers,
} from "./role-scripts";
import { newPassword, scramVerifier } from "./scram";
import { credentialsPath, VaultConnection, VaultUserNames } from "./settings";

/** Inputs. */
export interface AdminInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`, if it is known. */
  uid?: string;
  vault?: VaultConnection;
  mount: string;
  connection: string;
  /** The program created the mount. */
  ownsMount: boolean;
  host: string;
  port: number;
  serverCa: string;
  database: string;
  names: VaultUserNames;
  /** Every PostgreSQL role that users become members of. */
  grantedRoles: string[];
  schemas: string[];
  /** Names of the roles in Vault. */
  allowedRoles: string[];
  /** The data may be those of another Cluster, with the users of another connection. Default: false. */
  replicated?: boolean;
}

export interface AdminState extends AdminInputs {
  /** `metadata.uid` of the Cluster in which the user was created. */
  clusterUid: string;
}

/** The resource kind. The parameters are the ways to reach Kubernetes and Vault. */
export function vaultAdmin(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  withEngine: WithEngine = withVaultEngine,
): ResourceKind<AdminInputs, AdminState> {
  return {
    id: configPath,

    check: async (news, olds) => ({ refusals: olds?.ownsMount && !news.ownsMount ? lostMount(news, olds) : [] }),

    replaces: (olds, news) => [
      ...IDENTITY.filter((key) => isDifferent(olds[key], news[key])),
      ...(isDifferent(olds.names.admin, news.names?.admin ?? UNKNOWN) ? ["names"] : []),
    ],
    deleteBeforeReplace: true,

    declared: ({ context, host, port, serverCa, names, grantedRoles, schemas, allowedRoles }) => [
      ...[context, host, port, serverCa, names, grantedRoles, schemas, allowedRoles],
    ],

    differs: (news, olds) => {
      const unseen = `Vault's user of ${news.cluster} could not be checked, so it is assumed to be unchanged`;
      return hasDrifted(news.cluster, unseen, () => drift(olds.clusterUid, news));
    },

    async apply(inputs, olds) {
      const kubernetes = await connect(inputs);
      const { uid: clusterUid, readOnly, created } = await clusterOf(kubernetes, inputs);
      const state = { ...inputs, clusterUid };
      if (olds && readOnly !== undefined) {
        warnSkipped(referenceOf(state), readOnly, NOT_UPDATED);
        return { ...state, clusterUid: olds.clusterUid };
      }
      await withEngine(inputs.vault, async (engine) => {
        if (!olds) await refuseConnectionOfOthers(engine, inputs);
        // The next run finds no connection, and creates it once the Cluster accepts writes.
        if (readOnly !== undefined) return warnSkipped(referenceOf(state), readOnly, NOT_UPDATED);
        await setUp(kubernetes, state);
        await dropUsersFromBefore(kubernetes, state, created);
        const hasPassword = olds?.clusterUid === clusterUid && (await hasPermanentPassword(engine, kubernetes, state));
        if (!hasPassword || !(await keepPassword(engine, state)))
          await setPasswordOnlyVaultKnows(engine, kubernetes, state);
        if (olds)
          await dropUsers(kubernetes, referenceOf(state), newOwnersFor(state), vaultUsersQuery(state.names, "stale"));
      });
      return state;
    },

    async read(state, id) {
      if (!state?.cluster) throw new VaultError("failed", `${id} cannot be imported; \`pulumi up\` creates it again.`);
      return (await withEngine(state.vault, (engine) => engine.read(configPath(state)))) && state;
    },

    async remove(state) {
      const kubernetes = await connect(state);
      const cluster = await findCluster(kubernetes, referenceOf(state));
      // If the Cluster was deleted or replaced, its roles are gone as well.
      if (cluster) {
        const left = `${state.names.admin}, with a password that only Vault knows`;
        await removeIfRunning(kubernetes, referenceOf(state), left, () => removeRoles(kubernetes, state));
      }
      await withEngine(state.vault, async (engine) => {
        await engine.remove(configPath(state));
        // Leases that could not be removed before. Without a connection, Vault does not wait for the database.
        for (const role of state.allowedRoles) {
          // A role that was refused to this program belongs to another connection, and so do its leases.
          if (await roleOfOtherConnection(engine, { ...state, role })) continue;
          await engine.forget(credentialsPath(state.mount, role), FORGET_WITHIN_MS);
        }
      });
    },
  };

  async function drift(clusterUid: string, inputs: AdminInputs): Promise<string[]> {
    // A preview does not know yet where the connection is.
    if (inputs.mount === UNKNOWN) return [];
    const kubernetes = await connect(inputs);
    const cluster = await findClusterByName(kubernetes, inputs);
    if (!cluster) return ["the Cluster does not exist"];
    // `up` changes nothing in such a Cluster, even if it is a new one.
    if (readOnlyReason(cluster) !== undefined) return [];
    if (cluster.metadata.uid !== clusterUid) return ["the Cluster was replaced, and Vault has no user in the new one"];
    if (!hasReadyInstance(cluster)) return [];
    const users = usersOf(inputs);
    const at = { ...inputs, uid: clusterUid };
    const inVault = await withEngine(inputs.vault, (engine) => engine.read(configPath(inputs)));
    return [
      ...(inVault ? connectionDrift(connectionOf(inputs), inVault) : ["Vault's connection does not exist"]),
      ...(await sqlInPrimary(
        kubernetes,
        at,
        MAINTENANCE_DATABASE,
        vaultRolesDriftQuery(users, creationOf(cluster, inputs)),
      )),
      ...(await sqlInPrimary(kubernetes, at, inputs.database, vaultDatabaseDriftQuery(users))),
    ];
  }
}

/** Refuses `exists: true` for the stack's own mount. With a state of 0.1.0, Pulumi would delete it with all credentials. */
function lostMount({ mount }: AdminInputs, { mount: former }: Partial<AdminState>): string[] {
  if (mount !== former) return [];
  return [
    `mount.exists is true, but this stack created the mount ${mount} in Vault. Nothing was changed. Remove mount.exists, or set ` +
      "mount.path to another mount.",
  ];
}

/** What is not updated while the Cluster accepts no writes. */
const NOT_UPDATED = "Vault's user and connection";

/** A change of these replaces the resource. The user's name is compared separately. */
const IDENTITY: (keyof AdminInputs)[] = ["namespace", "cluster", "database", "mount", "connection", "vault"];

/** Whether a value changes. A value that a preview does not know yet counts as unchanged. */
function isDifferent(old: unknown, declared: unknown): boolean {
  const [one, other] = [JSON.stringify(old), JSON.stringify(declared)];
  return one !== other && !other?.includes(UNKNOWN);
}

async function clusterOf(
  kubernetes: KubernetesClient,
  inputs: AdminInputs,
): Promise<{ uid: string; readOnly?: string; created?: number }> {
  const found = await findClusterByName(kubernetes, inputs);
  const uid = found?.metadata.uid;
  if (found && uid !== undefined && (inputs.uid === undefined || inputs.uid === uid)) {
    return { uid, readOnly: readOnlyReason(found), created: creationOf(found, inputs) };
  }
  throw new KubernetesError(
    "configuration",
    `The Cluster ${inputs.namespace}/${inputs.cluster} is not in the Kubernetes cluster of the kubeconfig's context. Set kubernetes.context (or KUBECONFIG) to the Kubernetes cluster that has it.`,
  );
}

/**
 * When a Cluster was created, in seconds since 1970. Undefined for a Cluster of a topology: it has followed the primary cluster
 * until its promotion, so the users in its data are current.
 */
function creationOf(
  { metadata: { creationTimestamp } }: KubernetesObject,
  { replicated }: AdminInputs,
): number | undefined {
  if (replicated) return undefined;
  const time = Date.parse(String(creationTimestamp));
  return Number.isNaN(time) ? undefined : time / 1_000;
}

/** Drops users that came along in the data from which the Cluster started. Their leases ended with the former Cluster. */
async function dropUsersFromBefore(
  kubernetes: KubernetesClient,
  state: AdminState,
  created: number | undefined,
): Promise<void> {
  if (created === undefined) return;
  const query = vaultUsersQuery(state.names, { madeBefore: created });
  const dropped = await dropUsers(kubernetes, referenceOf(state), newOwnersFor(state), query);
  if (dropped.length === 0) return;
  console.error(
    `${dropped.length} users that Vault created before the Cluster ${state.namespace}/${state.cluster} came along in its data, and ` +
      "were dropped: their leases may have been revoked since then. Applications get new users when their leases end, or at once " +
      "if you restart their pods.",
  );
}

async function setUp(kubernetes: KubernetesClient, state: AdminState): Promise<void> {
  const users = usersOf(state);
  if (state.replicated) await sqlInPrimary(kubernetes, referenceOf(state), state.database, takeOverScript(users));
  await sqlInPrimary(kubernetes, referenceOf(state), MAINTENANCE_DATABASE, vaultRolesScript(users));
  await sqlInPrimary(kubernetes, referenceOf(state), state.database, vaultDatabaseScript(users));
}

/** The users' group owns the objects that users create, and becomes the owner of those that they leave. */
function newOwnersFor({ database, names }: AdminState): { database: string; newOwner: string } {
  return { database, newOwner: names.group };
}

/** Drops the remaining users, the functions, and finally the program's own roles. */
async function removeRoles(kubernetes: KubernetesClient, state: AdminState): Promise<void> {
  const sql = (database: string, script: string) => sqlInPrimary(kubernetes, referenceOf(state), database, script);
  const users = { names: state.names, owner: configPath(state) };
  // If a replacement has taken over the names, the roles belong to it: Pulumi deletes the former resource once more
  // when the first attempt to create the new one has failed.
  if ((await sql(MAINTENANCE_DATABASE, vaultRolesQuery(users))).length === 0) return;
  await dropUsers(kubernetes, referenceOf(state), newOwnersFor(state), vaultUsersQuery(state.names, "all"));
  const databases = await sql(MAINTENANCE_DATABASE, DATABASES_QUERY);
  if (databases.includes(state.database)) await sql(state.database, dropVaultDatabaseScript(users));
  await dropUsers(kubernetes, referenceOf(state), state, vaultRolesQuery(users));
}

/** PostgreSQL's error for a wrong password, as Vault reports it. 28P01 is invalid_password. */
const WRONG_PASSWORD = /password authentication failed|28P01/;

/** A connection is overwritten only if it is for the same database and user, e.g. after an interrupted create. */
async function refuseConnectionOfOthers(engine: VaultEngine, inputs: AdminInputs): Promise<void> {
  const found = await engine.read(configPath(inputs));
  if (!found || isSameConnection(connectionOf(inputs), found)) return;
  throw new VaultError(
    "failed",
    `Vault already has a connection ${configPath(inputs)}, to another database. Set connection to another name, or delete that connection.`,
  );
}

/** Whether Vault has a connection and the password of Vault's user is permanent. */
async function hasPermanentPassword(
  engine: VaultEngine,
  kubernetes: KubernetesClient,
  state: AdminState,
): Promise<boolean> {
  if (!(await engine.read(configPath(state)))) return false;
  const query = permanentPasswordQuery(state.names);
  return (await sqlInPrimary(kubernetes, referenceOf(state), MAINTENANCE_DATABASE, query)).length > 0;
}

/** Writes the connection as declared. Returns false if the password in Vault is no longer that of Vault's user. */
async function keepPassword(engine: VaultEngine, state: AdminState): Promise<boolean> {
  try {
    await engine.write(configPath(state), connectionDocument(connectionOf(state)));
    return true;
  } catch (error) {
    if (error instanceof VaultError && WRONG_PASSWORD.test(error.message)) return false;
    throw error;
  }
}

/**
 * Sets a password that only Vault knows: Vault gets a temporary password that only this process knows, logs in with
 * it, and replaces it with its own. If a step fails, the temporary password is removed and the next run starts again.
 * If this process is killed in between, the temporary password expires by itself, and the next run sees that it was
 * only temporary.
 */
async function setPasswordOnlyVaultKnows(
  engine: VaultEngine,
  kubernetes: KubernetesClient,
  state: AdminState,
): Promise<void> {
  const password = newPassword();
  const sql = (script: string) => sqlInPrimary(kubernetes, referenceOf(state), MAINTENANCE_DATABASE, script);
  await sql(passwordScript(state.names, scramVerifier(password)));
  try {
    await engine.write(configPath(state), connectionDocument(connectionOf(state), password));
    await engine.write(`${state.mount}/rotate-root/${state.connection}`, {});
    await sql(permanentPasswordScript(state.names));
  } catch (error) {
    await engine.remove(configPath(state)).catch(() => {});
    await sql(passwordScript(state.names, undefined)).catch(() => {});
    throw error;
  }
}

/** Path of the connection in Vault. */
function configPath({ mount, connection }: Pick<AdminInputs, "mount" | "connection">): string {
  return `${mount}/config/${connection}`;
}

/** The Cluster in which the user was created. */
function referenceOf({ namespace, cluster, clusterUid: uid }: AdminState): ClusterReference {
  return { namespace, cluster, uid };
}

function usersOf(inputs: AdminInputs): VaultUsers {
  const { names, grantedRoles: roles, schemas, database } = inputs;
  return { names, roles, schemas, database, owner: configPath(inputs) };
}

function connectionOf({ host, port, database, serverCa, names, allowedRoles }: AdminInputs): ConnectionSettings {
  return { host, port, database, serverCa, admin: names.admin, allowedRoles };
}
