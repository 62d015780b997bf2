/**
 * The methods of Pulumi's provider behind Vault's own user in PostgreSQL and its connection in Vault. They are one
 * resource, because the password that leads from one to the other must not be known to anything that outlives the step:
 * it is made here, PostgreSQL is given what it stores of it, Vault is given it and rotates it at once. It is in no state,
 * and a later `up` writes a connection without one, which leaves Vault's own in place.
 */
import { deviates } from "../dynamic/deviates";
import { endUsers } from "../postgres/drop-users";
import {
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
import { UNKNOWN } from "../teleport/resources/document";
import type { Provider } from "../dynamic/methods";
import { VaultError } from "../vault/errors";
import { AdminInputs, AdminState, configPath, connectionOf, referenceOf, usersOf } from "./admin-inputs";
import { connectionDeviations } from "./connection";
import { dropVaultDatabaseScript, vaultDatabaseDeviations, vaultDatabaseScript } from "./database-scripts";
import { FORGET_WITHIN_MS, roleOfOther } from "./lease-operations";
import { handPasswordOver, keepPassword, refuseForeign } from "./password-handover";
import {
  passwordStaysQuery,
  vaultRolesDeviations,
  vaultRolesQuery,
  vaultRolesScript,
  vaultUsersQuery,
} from "./role-scripts";
import { credentialsPath } from "./settings";
import { WithEngine, withVaultEngine } from "./vault-engine";

export type { AdminInputs, AdminState };

export function admin(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  withEngine: WithEngine = withVaultEngine,
): Provider<AdminInputs, AdminState> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },

    /** What is declared may be the same while PostgreSQL or Vault is not: all count. */
    async diff(_id, olds, news) {
      const replaces = IDENTITY.filter((key) => isOther(olds[key], news[key]));
      if (isOther(olds.names.admin, news.names?.admin ?? UNKNOWN)) replaces.push("names");
      if (replaces.length > 0) return { changes: true, replaces, deleteBeforeReplace: true };
      if (told(olds) !== told(news) || olds.context !== news.context) return { changes: true };
      const unseen = `Vault's user of ${news.cluster} could not be checked, so it is assumed to be unchanged`;
      return deviates(news.cluster, unseen, () => deviations(olds.clusterUid, news));
    },

    async create(inputs) {
      const kubernetes = await connect(inputs);
      const { uid: clusterUid, asleep } = await clusterOf(kubernetes, inputs);
      const outs = { ...inputs, clusterUid };
      await withEngine(inputs.vault, async (engine) => {
        await refuseForeign(engine, inputs);
        // Its connection is missed by the next run, and made when the Cluster is awake.
        if (asleep !== undefined) return sayLeft(referenceOf(outs), asleep, LEFT);
        await setUp(kubernetes, outs);
        await handPasswordOver(engine, kubernetes, outs);
      });
      return { id: configPath(inputs), outs };
    },

    async read(id, props) {
      if (!props?.cluster) throw new VaultError("failed", `${id} cannot be imported; \`pulumi up\` makes it anew.`);
      const found = await withEngine(props.vault, (engine) => engine.read(configPath(props)));
      return found ? { id, props } : {};
    },

    async update(_id, olds, news) {
      const kubernetes = await connect(news);
      const { uid: clusterUid, asleep } = await clusterOf(kubernetes, news);
      const outs = { ...news, clusterUid };
      if (asleep !== undefined) {
        sayLeft(referenceOf(outs), asleep, LEFT);
        return { outs: { ...outs, clusterUid: olds.clusterUid } };
      }
      await withEngine(news.vault, async (engine) => {
        await setUp(kubernetes, outs);
        const isNew =
          clusterUid !== olds.clusterUid ||
          !(await engine.read(configPath(news))) ||
          (await sqlInPrimary(kubernetes, referenceOf(outs), MAINTENANCE_DATABASE, passwordStaysQuery(news.names)))
            .length === 0;
        if (isNew || !(await keepPassword(engine, outs))) await handPasswordOver(engine, kubernetes, outs);
        await endUsers(kubernetes, referenceOf(outs), inheriting(outs), vaultUsersQuery(outs.names, "over"));
      });
      return { outs };
    },

    async delete(_id, props) {
      const kubernetes = await connect(props);
      const cluster = await findCluster(kubernetes, referenceOf(props));
      // With its Cluster gone, or another in its place, so are the roles.
      if (cluster) {
        const left = `${props.names.admin}, with a password that nobody knows`;
        await unlessStopped(kubernetes, referenceOf(props), left, () => removeRoles(kubernetes, props));
      }
      await withEngine(props.vault, async (engine) => {
        await engine.remove(configPath(props));
        // What could not be forgotten before: without a connection Vault does not wait for an answer of the database.
        for (const role of props.allowedRoles) {
          // One that was refused us is another's, and so are its leases.
          if (await roleOfOther(engine, { ...props, role })) continue;
          await engine.forget(credentialsPath(props.mount, role), FORGET_WITHIN_MS);
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

/** What is declared; how the cluster is reached does not count. */
function told(inputs: AdminInputs): string {
  const { host, port, serverCa, names, grantedRoles, schemas, allowedRoles } = inputs;
  return JSON.stringify([host, port, serverCa, names, grantedRoles, schemas, allowedRoles]);
}

export const adminOperations = admin();
