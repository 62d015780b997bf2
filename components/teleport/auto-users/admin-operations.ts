/** The methods of Pulumi's provider behind an AutoUsersAdmin. */
import { deviates } from "../../dynamic/deviates";
import { endUsers } from "../../postgres/drop-users";
import {
  asleep,
  ClusterReference,
  findCluster,
  MAINTENANCE_DATABASE,
  sayLeft,
  sqlInPrimary,
  unlessStopped,
} from "../../postgres/psql";
import { DATABASES_QUERY, dropScript } from "../../postgres/grants";
import { KubernetesClient, kubernetesClient, KubernetesConnection } from "../../kubernetes/client";
import { KubernetesError } from "../../kubernetes/errors";
import type { Provider } from "../../dynamic/methods";
import { AUTO_USER_GROUP, AutoUsers, autoUsersAdmin } from "./settings";
import { autoUserDatabaseDeviationsQuery, autoUserDatabaseScript, dropAutoUserSchemaScript } from "./procedures";
import { autoUserAccountsQuery, autoUserDeviationsQuery, autoUserScript, formerAdminsQuery } from "./roles";

/** Inputs of an AutoUsersAdmin, and its state. */
export interface AutoUsersInputs extends KubernetesConnection, ClusterReference {
  /** The application's database. */
  database: string;
  settings: AutoUsers;
  /** No instance runs (hibernation): nothing can be done, and the next run after it does it. */
  suspended?: boolean;
}

/** The operations over a way of reaching Kubernetes. */
export function autoUsers(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
): Provider<AutoUsersInputs, AutoUsersInputs> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },

    /** What is declared may be the same while the database is not: both count. */
    async diff(_id, olds, news) {
      if (told(olds) !== told(news) || olds.context !== news.context) return { changes: true };
      if (news.suspended) return { changes: false };
      const unseen = `Teleport's user in ${news.cluster} could not be checked, so it is assumed to be unchanged`;
      return deviates(news.cluster, unseen, async () => {
        const kubernetes = await connect(news);
        return (await asleep(kubernetes, news)) ? [] : deviations(kubernetes, news);
      });
    },

    async create(inputs) {
      await apply(inputs);
      return { id: `${inputs.namespace}/${inputs.cluster}`, outs: inputs };
    },

    async read(id, props) {
      if (!props?.cluster)
        throw new KubernetesError("failed", `${id} cannot be imported; \`pulumi up\` makes it anew.`);
      return (await findCluster(await connect(props), props)) ? { id, props } : {};
    },

    async update(_id, _olds, news) {
      await apply(news);
      return { outs: news };
    },

    async delete(_id, props) {
      const kubernetes = await connect(props);
      if (!(await findCluster(kubernetes, props))) return;
      const left = `${autoUsersAdmin(props.settings).name} and the users that Teleport made, who cannot log in`;
      await unlessStopped(kubernetes, props, left, () => removeAll(kubernetes, props));
    },
  };

  async function apply(inputs: AutoUsersInputs): Promise<void> {
    if (inputs.suspended) return;
    const kubernetes = await connect(inputs);
    const reason = await asleep(kubernetes, inputs);
    if (reason !== undefined) return sayLeft(inputs, reason, "the rights of Teleport's user");
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, inputs, database, script);
    await sql(MAINTENANCE_DATABASE, autoUserScript(inputs.settings));
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      await sql(database, autoUserDatabaseScript(inputs.settings));
    const former = await sql(MAINTENANCE_DATABASE, formerAdminsQuery(inputs.settings));
    await dropSchemas(kubernetes, inputs, former);
    await endUsers(kubernetes, inputs, inputs, formerAdminsQuery(inputs.settings));
  }

  async function deviations(kubernetes: KubernetesClient, inputs: AutoUsersInputs): Promise<string[]> {
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, inputs, database, script);
    const found = await sql(MAINTENANCE_DATABASE, autoUserDeviationsQuery(inputs.settings));
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      found.push(...(await sql(database, autoUserDatabaseDeviationsQuery(inputs.settings))));
    return found;
  }
}

async function removeAll(kubernetes: KubernetesClient, inputs: AutoUsersInputs): Promise<void> {
  await dropSchemas(kubernetes, inputs, [autoUsersAdmin(inputs.settings).name]);
  await endUsers(kubernetes, inputs, inputs, autoUserAccountsQuery(inputs.settings));
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

/** What is declared; how the cluster is reached does not count. */
function told({ namespace, cluster, uid, database, settings, suspended }: AutoUsersInputs): string {
  return JSON.stringify([namespace, cluster, uid, database, settings, suspended ?? false]);
}

export const autoUserOperations = autoUsers();
