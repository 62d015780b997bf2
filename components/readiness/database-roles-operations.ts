/** What a DatabaseRolesServing waits for. */
import { clusterNow } from "../postgres/psql";
import { inlineRoles } from "../cnpg/roles";
import { KubernetesClient, kubernetesClient } from "../kubernetes/client";
import type { Provider } from "../dynamic/methods";
import { appliedObject, appliedServing, isHeld, letGo } from "./applied-operations";
import type { Connect, ServingInputs, ServingTiming } from "./operations";

/** Inputs of a DatabaseRolesServing, and its state. */
export interface DatabaseRolesServingInputs extends ServingInputs {
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** What was written to each DatabaseRole, by the object's name. In any form that changes with the content. */
  roles: Record<string, string>;
  /** Whether Pulumi leaves the objects in Kubernetes when it removes them from its state (`retainOnDelete`). */
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
    /** Runs before the Cluster is deleted, and then the DatabaseRoles. Without a primary, their finalizers would stay for ever. */
    async delete(_id, props) {
      const kubernetes = await connect(props);
      const cluster = await clusterNow(kubernetes, props);
      const inline = cluster ? inlineRoles(cluster) : [];
      await release(kubernetes, props, names(props), (role) => inline.includes(role));
    },
  };
}

/**
 * Removes the finalizers of DatabaseRoles. Their roles stay in PostgreSQL, so there is nothing to wait for. The primary adds no
 * new finalizer to a DatabaseRole that it has applied (CNPG 1.30).
 *
 * @param isOver whether the object no longer declares the role. If Pulumi leaves objects, only these objects are handled: this
 * function deletes them
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
