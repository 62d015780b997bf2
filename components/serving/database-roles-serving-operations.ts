/** What a DatabaseRolesServing waits for. */
import { clusterNow } from "../access/primary";
import { inlineRoles } from "../cnpg/roles";
import { KubernetesClient, kubernetesClient } from "../kubernetes/client";
import type { Provider } from "../provider";
import { appliedObject, appliedServing, isHeld, letGo } from "./applied-serving-operations";
import type { Connect, ServingInputs, ServingTiming } from "./serving-operations";

/** Inputs of a DatabaseRolesServing, and its state. */
export interface DatabaseRolesServingInputs extends ServingInputs {
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** Names of DatabaseRole objects, with what was written to each in any form that changes with it. */
  roles: Record<string, string>;
  /** Pulumi leaves the objects where they are when it lets go of them. */
  retained: boolean;
}

/** The operations over a way of reaching Kubernetes. */
export function databaseRolesServing(
  connect: Connect = kubernetesClient,
  timing?: Partial<ServingTiming>,
): Provider<DatabaseRolesServingInputs, DatabaseRolesServingInputs> {
  const names = ({ roles }: DatabaseRolesServingInputs) => Object.keys(roles);
  const operations = appliedServing("DatabaseRole", names, connect, timing);
  return {
    ...operations,
    async update(id, olds, news) {
      const removed = names(olds).filter((name) => !(name in news.roles));
      if (removed.length > 0) await release(await connect(news), news, removed, () => true);
      return operations.update(id, olds, news);
    },
    /** Runs before the Cluster is deleted, and then the DatabaseRoles: nobody would let go of them without their primary. */
    async delete(_id, props) {
      const kubernetes = await connect(props);
      const cluster = await clusterNow(kubernetes, props);
      const inline = cluster ? inlineRoles(cluster) : [];
      await release(kubernetes, props, names(props), (role) => inline.includes(role));
    },
  };
}

/**
 * Lets DatabaseRoles go: their roles stay in PostgreSQL, so that there is nothing to wait for. The primary does not take hold
 * again of one that it has applied (CNPG 1.30).
 *
 * @param isOver whether the role is no longer declared by its object: where Pulumi leaves objects, this deletes those alone
 */
async function release(
  kubernetes: KubernetesClient,
  { namespace, retained }: DatabaseRolesServingInputs,
  names: readonly string[],
  isOver: (role: string) => boolean,
): Promise<void> {
  for (const name of names) {
    const reference = appliedObject("DatabaseRole", namespace, name);
    const object = await kubernetes.get(reference);
    if (!object || (retained && !isOver(String(object.spec?.name)))) continue;
    if (isHeld("DatabaseRole", object)) await letGo(kubernetes, "DatabaseRole", namespace, object);
    if (retained) await kubernetes.remove(reference, object.metadata.uid ?? "");
  }
}

export const databaseRolesServingOperations = databaseRolesServing();
