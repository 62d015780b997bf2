/** What a DatabasesServing waits for. */
import { clusterNow } from "../postgres/psql";
import { sleepReason } from "../cnpg/sleep";
import { KubernetesClient, kubernetesClient } from "../kubernetes/client";
import type { Provider } from "../dynamic/methods";
import { appliedObject, appliedServing, isHeld, letGo } from "./applied-operations";
import type { Connect, ServingInputs, ServingTiming } from "./operations";

/** Inputs of a DatabasesServing, and its state. */
export interface DatabasesServingInputs extends ServingInputs {
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** Names of Database objects, with what was written to each in any form that changes with it. */
  databases: Record<string, string>;
}

/** The operations over a way of reaching Kubernetes. */
export function databasesServing(
  connect: Connect = kubernetesClient,
  timing?: Partial<ServingTiming>,
): Provider<DatabasesServingInputs, DatabasesServingInputs> {
  const names = ({ databases }: DatabasesServingInputs) => Object.keys(databases);
  const operations = appliedServing("Database", names, connect, timing);
  return {
    ...operations,
    async update(id, olds, news) {
      const removed = names(olds).filter((name) => !(name in news.databases));
      if (removed.length > 0) await release(await connect(news), news, removed);
      return operations.update(id, olds, news);
    },
    /** Runs before the Databases are deleted. */
    async delete(_id, props) {
      await release(await connect(props), props, names(props));
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
    const database = await kubernetes.get(appliedObject("Database", namespace, name));
    if (!database || !isHeld("Database", database)) continue;
    if (database.spec?.databaseReclaimPolicy === "delete") {
      console.error(
        `Warning: the Database ${namespace}/${name} cannot be dropped: ${namespace}/${cluster} sleeps: ${reason}. Wake it up first, or write reclaimPolicy: retain.`,
      );
      continue;
    }
    await letGo(kubernetes, "Database", namespace, database);
  }
}

export const databasesServingOperations = databasesServing();
