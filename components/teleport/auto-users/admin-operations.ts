/** AutoUsersAdmin: the PostgreSQL user with which Teleport creates users, and the objects that it needs. */
import { hasDrifted, ResourceKind } from "../../dynamic/converge";
import { dropUsers } from "../../postgres/user-admin";
import {
  findReadOnlyReason,
  ClusterReference,
  findCluster,
  MAINTENANCE_DATABASE,
  refuseImport,
  warnSkipped,
  sqlInPrimary,
  removeIfRunning,
} from "../../postgres/psql";
import { DATABASES_QUERY, dropScript } from "../../postgres/grants";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../../kubernetes/client";
import { AUTO_USER_GROUP, AutoUsers, autoUsersAdmin } from "./settings";
import {
  autoUserDatabaseDriftQuery,
  autoUserDatabaseScript,
  dropAutoUserSchemaScript,
  autoUserAccountsQuery,
  autoUserDriftQuery,
  autoUserScript,
  formerAdminsQuery,
} from "./scripts";

/** Inputs of an AutoUsersAdmin, and its state. */
export interface AutoUsersInputs extends KubernetesConnection, ClusterReference {
  /** The application's database. */
  database: string;
  settings: AutoUsers;
  /** No instance runs (hibernation): nothing is changed now, and the next run after it applies the settings. */
  suspended?: boolean;
}

/** The resource kind. The parameter is the way to reach Kubernetes. */
export function autoUsers(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
): ResourceKind<AutoUsersInputs> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,

    declared: ({ context, namespace, cluster, uid, database, settings, suspended = false }) => [
      ...[context, namespace, cluster, uid, database, settings, suspended],
    ],

    async differs(news) {
      if (news.suspended) return false;
      const unseen = `Teleport's user in ${news.cluster} could not be checked, so it is assumed to be unchanged`;
      return hasDrifted(news.cluster, unseen, async () => {
        const kubernetes = await connect(news);
        return (await findReadOnlyReason(kubernetes, news)) ? [] : drift(kubernetes, news);
      });
    },

    async apply(inputs) {
      await apply(inputs);
      return inputs;
    },

    async read(state, id) {
      refuseImport(state, id);
      return (await findCluster(await connect(state), state)) && state;
    },

    async remove(state) {
      const kubernetes = await connect(state);
      if (!(await findCluster(kubernetes, state))) return;
      const left = `${autoUsersAdmin(state.settings).name} and the users that Teleport created, which cannot log in`;
      await removeIfRunning(kubernetes, state, left, () => removeAll(kubernetes, state));
    },
  };

  async function apply(inputs: AutoUsersInputs): Promise<void> {
    if (inputs.suspended) return;
    const kubernetes = await connect(inputs);
    const reason = await findReadOnlyReason(kubernetes, inputs);
    if (reason !== undefined) return warnSkipped(inputs, reason, "the rights of Teleport's user");
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, inputs, database, script);
    await sql(MAINTENANCE_DATABASE, autoUserScript(inputs.settings));
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      await sql(database, autoUserDatabaseScript(inputs.settings));
    const former = await sql(MAINTENANCE_DATABASE, formerAdminsQuery(inputs.settings));
    await dropSchemas(kubernetes, inputs, former);
    await dropUsers(kubernetes, inputs, inputs, formerAdminsQuery(inputs.settings));
  }

  async function drift(kubernetes: KubernetesClient, inputs: AutoUsersInputs): Promise<string[]> {
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, inputs, database, script);
    const found = await sql(MAINTENANCE_DATABASE, autoUserDriftQuery(inputs.settings));
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      found.push(...(await sql(database, autoUserDatabaseDriftQuery(inputs.settings))));
    return found;
  }
}

async function removeAll(kubernetes: KubernetesClient, inputs: AutoUsersInputs): Promise<void> {
  await dropSchemas(kubernetes, inputs, [autoUsersAdmin(inputs.settings).name]);
  await dropUsers(kubernetes, inputs, inputs, autoUserAccountsQuery(inputs.settings));
  await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, dropScript([AUTO_USER_GROUP]));
}

async function dropSchemas(
  kubernetes: KubernetesClient,
  inputs: AutoUsersInputs,
  admins: readonly string[],
): Promise<void> {
  if (admins.length === 0) return;
  const databases = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, DATABASES_QUERY);
  for (const admin of admins) {
    for (const database of databases) await sqlInPrimary(kubernetes, inputs, database, dropAutoUserSchemaScript(admin));
  }
}
