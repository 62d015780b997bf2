/**
 * Vault's own user in PostgreSQL and its connection in Vault. They are one resource, because the password that leads from
 * one to the other must not be known to anything that outlives the step: it is made here, PostgreSQL is given what it stores
 * of it, Vault is given it and rotates it at once. It is in no state, and a later `up` writes a connection without one, which
 * leaves Vault's own in place.
 */
import { hasDrifted, ResourceKind } from "../dynamic/converge";
import { endUsers } from "../postgres/user-admin";
import {
  ClusterReference,
  clusterNow,
  findCluster,
  isServing,
  MAINTENANCE_DATABASE,
  sayLeft,
  sqlInPrimary,
  unlessStopped,
} from "../postgres/psql";
import { DATABASES_QUERY } from "../postgres/grants";
import { sleepReason } from "../cnpg/sleep";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { UNKNOWN } from "../dynamic/unknown";
import { VaultError } from "../vault/errors";
import { connectionDeviations, connectionDocument, ConnectionSettings, isSameConnection } from "./connection";
import { dropVaultDatabaseScript, vaultDatabaseDeviations, vaultDatabaseScript } from "./database-scripts";
import { FORGET_WITHIN_MS, roleOfOther } from "./lease-operations";
import {
  passwordScript,
  passwordStaysQuery,
  passwordStaysScript,
  vaultRolesDeviations,
  vaultRolesQuery,
  vaultRolesScript,
  vaultUsersQuery,
} from "./role-scripts";
import { newPassword, scramVerifier } from "./scram";
import { credentialsPath, VaultConnection, VaultUserNames } from "./settings";
import { VaultEngine, WithEngine, withVaultEngine } from "./vault-engine";
import type { VaultUsers } from "./vault-users";

/** Inputs. */
export interface AdminInputs extends KubernetesConnection {
  namespace: string;
  cluster: string;
  /** The Cluster's `metadata.uid`, where it is known. */
  uid?: string;
  vault?: VaultConnection;
  mount: string;
  connection: string;
  /** The mount is ours alone, so that nothing in it is anybody else's. */
  ownsMount: boolean;
  host: string;
  port: number;
  serverCa: string;
  database: string;
  names: VaultUserNames;
  /** Every role in PostgreSQL that users become members of. */
  grantedRoles: string[];
  schemas: string[];
  /** Names of the roles in Vault. */
  allowedRoles: string[];
}

export interface AdminState extends AdminInputs {
  /** `metadata.uid` of the Cluster in which the user was made. */
  clusterUid: string;
}

/** The kind over ways of reaching Kubernetes and Vault. */
export function vaultAdmin(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  withEngine: WithEngine = withVaultEngine,
): ResourceKind<AdminInputs, AdminState> {
  return {
    id: configPath,

    replaces: (olds, news) => [
      ...IDENTITY.filter((key) => isOther(olds[key], news[key])),
      ...(isOther(olds.names.admin, news.names?.admin ?? UNKNOWN) ? ["names"] : []),
    ],
    deleteBeforeReplace: true,

    declared: ({ context, host, port, serverCa, names, grantedRoles, schemas, allowedRoles }) => [
      ...[context, host, port, serverCa, names, grantedRoles, schemas, allowedRoles],
    ],

    differs: (news, olds) => {
      const unseen = `Vault's user of ${news.cluster} could not be checked, so it is assumed to be unchanged`;
      return hasDrifted(news.cluster, unseen, () => deviations(olds.clusterUid, news));
    },

    async apply(inputs, olds) {
      const kubernetes = await connect(inputs);
      const { uid: clusterUid, asleep } = await clusterOf(kubernetes, inputs);
      const state = { ...inputs, clusterUid };
      if (olds && asleep !== undefined) {
        sayLeft(referenceOf(state), asleep, LEFT);
        return { ...state, clusterUid: olds.clusterUid };
      }
      await withEngine(inputs.vault, async (engine) => {
        if (!olds) await refuseForeign(engine, inputs);
        // Its connection is missed by the next run, and made when the Cluster is awake.
        if (asleep !== undefined) return sayLeft(referenceOf(state), asleep, LEFT);
        await setUp(kubernetes, state);
        const hasPassword = olds?.clusterUid === clusterUid && (await passwordStays(engine, kubernetes, state));
        if (!hasPassword || !(await keepPassword(engine, state))) await handPasswordOver(engine, kubernetes, state);
        if (olds)
          await endUsers(kubernetes, referenceOf(state), inheriting(state), vaultUsersQuery(state.names, "over"));
      });
      return state;
    },

    async read(state, id) {
      if (!state?.cluster) throw new VaultError("failed", `${id} cannot be imported; \`pulumi up\` makes it anew.`);
      return (await withEngine(state.vault, (engine) => engine.read(configPath(state)))) && state;
    },

    async remove(state) {
      const kubernetes = await connect(state);
      const cluster = await findCluster(kubernetes, referenceOf(state));
      // With its Cluster gone, or another in its place, so are the roles.
      if (cluster) {
        const left = `${state.names.admin}, with a password that nobody knows`;
        await unlessStopped(kubernetes, referenceOf(state), left, () => removeRoles(kubernetes, state));
      }
      await withEngine(state.vault, async (engine) => {
        await engine.remove(configPath(state));
        // What could not be forgotten before: without a connection Vault does not wait for an answer of the database.
        for (const role of state.allowedRoles) {
          // One that was refused us is another's, and so are its leases.
          if (await roleOfOther(engine, { ...state, role })) continue;
          await engine.forget(credentialsPath(state.mount, role), FORGET_WITHIN_MS);
        }
      });
    },
  };

  async function deviations(clusterUid: string, inputs: AdminInputs): Promise<string[]> {
    const kubernetes = await connect(inputs);
    const cluster = await clusterNow(kubernetes, inputs);
    if (!cluster) return ["the Cluster is not there"];
    if (cluster.metadata.uid !== clusterUid) return ["the Cluster is another one, in which Vault has no user"];
    if (!isServing(cluster) || sleepReason(cluster) !== undefined) return [];
    const users = usersOf(inputs);
    const at = { ...inputs, uid: clusterUid };
    const inVault = await withEngine(inputs.vault, (engine) => engine.read(configPath(inputs)));
    return [
      ...(inVault ? connectionDeviations(connectionOf(inputs), inVault) : ["Vault's connection is not there"]),
      ...(await sqlInPrimary(kubernetes, at, MAINTENANCE_DATABASE, vaultRolesDeviations(users))),
      ...(await sqlInPrimary(kubernetes, at, inputs.database, vaultDatabaseDeviations(users))),
    ];
  }
}

/** What is left undone while the Cluster sleeps. */
const LEFT = "Vault's user and connection";

/** What makes another resource of it. The user's name is compared apart. */
const IDENTITY: (keyof AdminInputs)[] = ["namespace", "cluster", "database", "mount", "connection", "vault"];

/** Whether a value is to change; one that a preview does not know yet counts as the same. */
function isOther(old: unknown, declared: unknown): boolean {
  const [one, other] = [JSON.stringify(old), JSON.stringify(declared)];
  return one !== other && !other?.includes(UNKNOWN);
}

async function clusterOf(kubernetes: KubernetesClient, inputs: AdminInputs): Promise<{ uid: string; asleep?: string }> {
  const found = await clusterNow(kubernetes, inputs);
  const uid = found?.metadata.uid;
  if (found && uid !== undefined && (inputs.uid === undefined || inputs.uid === uid)) {
    return { uid, asleep: sleepReason(found) };
  }
  throw new KubernetesError(
    "configuration",
    `The Cluster ${inputs.namespace}/${inputs.cluster} is not in the Kubernetes cluster that the kubeconfig's context leads to. Set kubernetes.context (or KUBECONFIG) to the one that it is in.`,
  );
}

async function setUp(kubernetes: KubernetesClient, state: AdminState): Promise<void> {
  const users = usersOf(state);
  await sqlInPrimary(kubernetes, referenceOf(state), MAINTENANCE_DATABASE, vaultRolesScript(users));
  await sqlInPrimary(kubernetes, referenceOf(state), state.database, vaultDatabaseScript(users));
}

/** Users' group owns what they make, and inherits what they took. */
function inheriting({ database, names }: AdminState): { database: string; heir: string } {
  return { database, heir: names.group };
}

/** Users that are left, the functions, and at last our own roles. */
async function removeRoles(kubernetes: KubernetesClient, state: AdminState): Promise<void> {
  const sql = (database: string, script: string) => sqlInPrimary(kubernetes, referenceOf(state), database, script);
  const users = { names: state.names, owner: configPath(state) };
  // Where a replacement took the names over, what is there is another's: Pulumi deletes the former once more when the
  // first attempt to make the new one failed.
  if ((await sql(MAINTENANCE_DATABASE, vaultRolesQuery(users))).length === 0) return;
  await endUsers(kubernetes, referenceOf(state), inheriting(state), vaultUsersQuery(state.names, "all"));
  const databases = await sql(MAINTENANCE_DATABASE, DATABASES_QUERY);
  if (databases.includes(state.database)) await sql(state.database, dropVaultDatabaseScript(users));
  await endUsers(kubernetes, referenceOf(state), state, vaultRolesQuery(users));
}

/** What PostgreSQL says to a wrong password, through Vault; 28P01 is invalid_password. */
const WRONG_PASSWORD = /password authentication failed|28P01/;

/** A connection is overwritten only if it is for the same database and user, as after a create that was interrupted. */
async function refuseForeign(engine: VaultEngine, inputs: AdminInputs): Promise<void> {
  if (inputs.ownsMount) return;
  const found = await engine.read(configPath(inputs));
  if (!found || isSameConnection(connectionOf(inputs), found)) return;
  throw new VaultError(
    "failed",
    `Vault has a connection ${configPath(inputs)} already, to another database. Choose another name by connection, or delete that one.`,
  );
}

/** Whether Vault has a connection, and the password of Vault's user is one that stays. */
async function passwordStays(engine: VaultEngine, kubernetes: KubernetesClient, state: AdminState): Promise<boolean> {
  if (!(await engine.read(configPath(state)))) return false;
  const query = passwordStaysQuery(state.names);
  return (await sqlInPrimary(kubernetes, referenceOf(state), MAINTENANCE_DATABASE, query)).length > 0;
}

/** Writes the connection as declared; false where Vault's password is not that of its user any more. */
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
 * A password that nobody knows: Vault gets one that is known here alone, logs in with it, and replaces it by one of its
 * own. Where that fails, nothing is left that works with the first: the next run begins anew. Where this process is killed
 * in between, the first ends by itself, and the next run sees that it was not for good.
 */
async function handPasswordOver(engine: VaultEngine, kubernetes: KubernetesClient, state: AdminState): Promise<void> {
  const password = newPassword();
  const sql = (script: string) => sqlInPrimary(kubernetes, referenceOf(state), MAINTENANCE_DATABASE, script);
  await sql(passwordScript(state.names, scramVerifier(password)));
  try {
    await engine.write(configPath(state), connectionDocument(connectionOf(state), password));
    await engine.write(`${state.mount}/rotate-root/${state.connection}`, {});
    await sql(passwordStaysScript(state.names));
  } catch (error) {
    await engine.remove(configPath(state)).catch(() => {});
    await sql(passwordScript(state.names, undefined)).catch(() => {});
    throw error;
  }
}

/** Where the connection is in Vault. */
function configPath({ mount, connection }: Pick<AdminInputs, "mount" | "connection">): string {
  return `${mount}/config/${connection}`;
}

/** The Cluster in which the user was made. */
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
