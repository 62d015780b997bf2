/** DatabasesServing and DatabaseRolesServing: they wait until the primary has applied the Databases or DatabaseRoles. */
import { AppliedKind, appliedObject, appliedProblems, isForgotten } from "../cnpg/databases";
import { inlineRoles } from "../cnpg/roles";
import { readOnlyReason } from "../cnpg/replica";
import { stopReason } from "../cnpg/stopped";
import type { ResourceKind } from "../dynamic/converge";
import { KubernetesClient, kubernetesClient, KubernetesObject } from "../kubernetes/client";
import { findClusterByName } from "../postgres/psql";
import { Connect, ReadinessInputs, readinessKind, ReadinessTiming } from "./wait";

/**
 * Finalizers of the primary. They keep an object until the primary has dropped its database or role, or has decided to
 * keep it.
 */
const FINALIZERS: Record<AppliedKind, string> = {
  Database: "cnpg.io/deleteDatabase",
  DatabaseRole: "cnpg.io/deleteRole",
};

/** Waits for objects of a kind. */
function appliedKind<Inputs extends ReadinessInputs>(
  kind: AppliedKind,
  names: (inputs: Inputs) => string[],
  connect: Connect,
  timing?: Partial<ReadinessTiming>,
) {
  return readinessKind<Inputs>(
    {
      name: ({ namespace, cluster }) => `Cluster ${namespace}/${cluster}`,
      stopReason: readOnlyReason,
      problems: async (kubernetes, inputs) => {
        const found = names(inputs).map(async (name) =>
          appliedProblems(kind, name, await kubernetes.get(appliedObject(kind, inputs.namespace, name))),
        );
        return (await Promise.all(found)).flat();
      },
    },
    connect,
    timing,
  );
}

/** Whether the object still has the primary's finalizer. */
function hasFinalizer(kind: AppliedKind, { metadata }: KubernetesObject): boolean {
  return finalizersOf(metadata).includes(FINALIZERS[kind]);
}

/** Removes the primary's finalizer, so that the object's deletion does not wait for the primary. */
async function removeFinalizer(
  kubernetes: KubernetesClient,
  kind: AppliedKind,
  namespace: string,
  { metadata }: KubernetesObject,
): Promise<void> {
  const { name, resourceVersion } = metadata;
  const finalizers = finalizersOf(metadata).filter((finalizer) => finalizer !== FINALIZERS[kind]);
  await kubernetes.patch(appliedObject(kind, namespace, name), { metadata: { resourceVersion, finalizers } });
}

function finalizersOf({ finalizers = [] }: KubernetesObject["metadata"]): string[] {
  return finalizers as string[];
}

/** Inputs of a DatabasesServing, and its state. */
export interface DatabasesServingInputs extends ReadinessInputs {
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** What was written to each Database, by the object's name. In any form that changes with the content. */
  databases: Record<string, string>;
}

/** The kind of resource. `connect` reaches Kubernetes. */
export function databasesServing(
  connect: Connect = kubernetesClient,
  timing?: Partial<ReadinessTiming>,
): ResourceKind<DatabasesServingInputs> {
  const names = ({ databases }: DatabasesServingInputs) => Object.keys(databases);
  const kind = appliedKind("Database", names, connect, timing);
  return {
    ...kind,
    async apply(inputs, olds) {
      const removed = olds ? names(olds).filter((name) => !(name in inputs.databases)) : [];
      const kubernetes = await connect(inputs);
      if (removed.length > 0) await releaseDatabases(kubernetes, inputs, removed);
      await applyForgotten(kubernetes, inputs);
      return kind.apply(inputs);
    },
    /** Runs before the Databases are deleted. */
    async remove(state) {
      await releaseDatabases(await connect(state), state, names(state));
    },
  };
}

/** Makes the primary apply the Databases that it has ignored since its Cluster was promoted. */
async function applyForgotten(
  kubernetes: KubernetesClient,
  { namespace, cluster, databases }: DatabasesServingInputs,
): Promise<void> {
  const found = await findClusterByName(kubernetes, { namespace, cluster });
  if (!found || readOnlyReason(found) !== undefined) return;
  for (const name of Object.keys(databases)) {
    const reference = appliedObject("Database", namespace, name);
    const database = await kubernetes.get(reference);
    if (database && isForgotten(database)) await kubernetes.patchStatus(reference, { observedGeneration: 0 });
  }
}

/**
 * While the primary is stopped, nobody removes the finalizer of a Database, and its deletion would wait for ever. So the
 * finalizer is removed here if the database stays in PostgreSQL. If the database must be dropped, prints a warning instead.
 */
async function releaseDatabases(
  kubernetes: KubernetesClient,
  { namespace, cluster }: DatabasesServingInputs,
  names: readonly string[],
): Promise<void> {
  const found = await findClusterByName(kubernetes, { namespace, cluster });
  const reason = found && stopReason(found);
  if (reason === undefined) return;
  for (const name of names) {
    const database = await kubernetes.get(appliedObject("Database", namespace, name));
    if (!database || !hasFinalizer("Database", database)) continue;
    if (database.spec?.databaseReclaimPolicy === "delete") {
      console.error(
        `Warning: the Database ${namespace}/${name} cannot be dropped, because ${namespace}/${cluster} is stopped: ${reason}. Start the Cluster first, or set reclaimPolicy: retain.`,
      );
      continue;
    }
    await removeFinalizer(kubernetes, "Database", namespace, database);
  }
}

/** Inputs of a DatabaseRolesServing, and its state. */
export interface DatabaseRolesServingInputs extends ReadinessInputs {
  /** The Cluster's `metadata.uid`. */
  uid: string;
  /** What was written to each DatabaseRole, by the object's name. In any form that changes with the content. */
  roles: Record<string, string>;
  /** Whether Pulumi leaves the objects in Kubernetes when it removes them from its state (`retainOnDelete`). */
  retained: boolean;
}

/** The kind of resource. `connect` reaches Kubernetes. */
export function databaseRolesServing(
  connect: Connect = kubernetesClient,
  timing?: Partial<ReadinessTiming>,
): ResourceKind<DatabaseRolesServingInputs> {
  const names = ({ roles }: DatabaseRolesServingInputs) => Object.keys(roles);
  const kind = appliedKind("DatabaseRole", names, connect, timing);
  return {
    ...kind,
    async apply(inputs, olds) {
      const removed = olds ? names(olds).filter((name) => !(name in inputs.roles)) : [];
      if (removed.length > 0) await releaseRoles(await connect(inputs), inputs, removed, () => true);
      return kind.apply(inputs);
    },
    /**
     * Runs before the Cluster is deleted, and then the DatabaseRoles. Without a primary, their finalizers would stay
     * for ever.
     */
    async remove(state) {
      const kubernetes = await connect(state);
      const cluster = await findClusterByName(kubernetes, state);
      const inline = cluster ? inlineRoles(cluster) : [];
      await releaseRoles(kubernetes, state, names(state), (role) => inline.includes(role));
    },
  };
}

/**
 * Removes the finalizers of DatabaseRoles. Their roles stay in PostgreSQL, so there is nothing to wait for. The primary
 * adds no new finalizer to a DatabaseRole that it has applied (CNPG 1.30).
 *
 * @param isOver whether the object no longer declares the role. If Pulumi leaves objects, only these objects are
 * handled, and this function deletes them
 */
async function releaseRoles(
  kubernetes: KubernetesClient,
  { namespace, retained }: DatabaseRolesServingInputs,
  names: readonly string[],
  isOver: (role: string) => boolean,
): Promise<void> {
  for (const name of names) {
    const reference = appliedObject("DatabaseRole", namespace, name);
    const object = await kubernetes.get(reference);
    if (!object || (retained && !isOver(String(object.spec?.name)))) continue;
    if (hasFinalizer("DatabaseRole", object)) await removeFinalizer(kubernetes, "DatabaseRole", namespace, object);
    if (retained) await kubernetes.remove(reference, object.metadata.uid ?? "");
  }
}
