/** Reads from the status whether the primary has applied a Database or a DatabaseRole. Pure. */
import type { KubernetesObject, ObjectReference } from "../kubernetes/client";

/** Kinds that the primary applies. */
export type AppliedKind = "Database" | "DatabaseRole";

/** The kinds' names in the API server's paths. */
const PLURALS: Record<AppliedKind, string> = { Database: "databases", DatabaseRole: "databaseroles" };

interface AppliedStatus {
  applied?: boolean;
  message?: string;
  observedGeneration?: number;
  /** Only of a Database. */
  schemas?: PartStatus[];
  /** Only of a Database. */
  extensions?: PartStatus[];
}

interface PartStatus {
  name: string;
  applied: boolean;
  message?: string;
}

/** The object's place in the API server. */
export function appliedObject(kind: AppliedKind, namespace: string, name: string): ObjectReference {
  return { apiVersion: "postgresql.cnpg.io/v1", plural: PLURALS[kind], namespace, name };
}

/**
 * Why the primary has not applied an object as written, in the operator's words. Empty if it has. After a change,
 * `status.applied` stays true until the primary has seen the change, so `observedGeneration` is compared too.
 */
export function appliedProblems(kind: AppliedKind, name: string, object: KubernetesObject | undefined): string[] {
  if (!object) return [`${kind} ${name} does not exist`];
  const status = (object.status ?? {}) as AppliedStatus;
  const parts = [...(status.schemas ?? []), ...(status.extensions ?? [])].filter(({ applied }) => !applied);
  if (status.applied && status.observedGeneration === object.metadata.generation) return [];
  const reasons = [
    ...(status.applied === false && status.message ? [status.message] : []),
    ...parts.map((part) => `${part.name}: ${part.message ?? "not applied"}`),
  ];
  return [`${kind} ${name}: ${reasons.join("; ") || "the primary has not seen it yet"}`];
}
