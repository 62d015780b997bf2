/** What a DatabasesServing waits for. */
import { clusterNow } from "../access/primary";
import { databaseProblems } from "../cnpg/databases";
import { sleepReason } from "../cnpg/sleep";
import { KubernetesClient, kubernetesClient } from "../kubernetes/client";
import type { Provider } from "../provider";
import { Connect, servingOperations, ServingInputs, ServingTiming } from "./serving-operations";

/** Inputs of a DatabasesServing, and its state. */
export interface DatabasesServingInputs extends ServingInputs {
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** Names of Database objects, with what was written to each in any form that changes with it. */
  databases: Record<string, string>;
}

const CNPG = "postgresql.cnpg.io/v1";
/** With which the primary keeps a Database until it has dropped the database, or seen that it is to stay. */
const FINALIZER = "cnpg.io/deleteDatabase";

/** The operations over a way of reaching Kubernetes. */
export function databasesServing(
  connect: Connect = kubernetesClient,
  timing?: Partial<ServingTiming>,
): Provider<DatabasesServingInputs, DatabasesServingInputs> {
  const operations = servingOperations<DatabasesServingInputs>(
    {
      name: ({ namespace, cluster }) => `Cluster ${namespace}/${cluster}`,
      problems: async (kubernetes, { namespace, databases }) => {
        const found = Object.keys(databases).map(async (name) =>
          databaseProblems(name, await kubernetes.get({ apiVersion: CNPG, plural: "databases", namespace, name })),
        );
        return (await Promise.all(found)).flat();
      },
    },
    connect,
    timing,
  );
  return {
    ...operations,
    async update(id, olds, news) {
      const removed = Object.keys(olds.databases).filter((name) => !(name in news.databases));
      if (removed.length > 0) await release(await connect(news), news, removed);
      return operations.update(id, olds, news);
    },
    /** Runs before the Databases are deleted. */
    async delete(_id, props) {
      await release(await connect(props), props, Object.keys(props.databases));
    },
  };
}

/**
 * While the primary sleeps nobody would let a Database go, and its deletion would wait for ever. One whose database stays in
 * PostgreSQL has nothing to wait for; one whose database is to be dropped has, which is said.
 */
async function release(
  kubernetes: KubernetesClient,
  { namespace, cluster }: DatabasesServingInputs,
  names: readonly string[],
): Promise<void> {
  const found = await clusterNow(kubernetes, { namespace, cluster });
  const reason = found && sleepReason(found);
  if (reason === undefined) return;
  for (const name of names) {
    const reference = { apiVersion: CNPG, plural: "databases", namespace, name };
    const database = await kubernetes.get(reference);
    const finalizers = (database?.metadata.finalizers ?? []) as string[];
    if (!database || !finalizers.includes(FINALIZER)) continue;
    if (database.spec?.databaseReclaimPolicy === "delete") {
      console.error(
        `Warning: the Database ${namespace}/${name} cannot be dropped: ${namespace}/${cluster} sleeps: ${reason}. Wake it up first, or write reclaimPolicy: retain.`,
      );
      continue;
    }
    const { resourceVersion } = database.metadata;
    const left = finalizers.filter((finalizer) => finalizer !== FINALIZER);
    await kubernetes.patch(reference, { metadata: { resourceVersion, finalizers: left } });
  }
}

export const databasesServingOperations = databasesServing();
