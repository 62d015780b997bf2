/**
 * Who wrote objects in Kubernetes by server-side apply. Several writers of one object block each other's later
 * changes.
 */
import { strict as assert } from "node:assert";
import { kubectl } from "../lab/lab";

interface Written {
  kind: string;
  metadata: { name: string; managedFields?: { manager: string; operation: string }[] };
}

/**
 * Reads the applied objects of a Cluster in the namespace. Resolves to the writer of each (`Cluster orders`).
 *
 * @throws AssertionError that names objects with several writers
 */
export async function writerOfEach(namespace: string): Promise<Record<string, string>> {
  const kinds = "clusters.postgresql.cnpg.io,poolers.postgresql.cnpg.io,secrets";
  const found = await kubectl("-n", namespace, "get", kinds, "--show-managed-fields", "-o", "json");
  const writers = (JSON.parse(found) as { items: Written[] }).items.map(({ kind, metadata }) => ({
    object: `${kind} ${metadata.name}`,
    by: (metadata.managedFields ?? []).filter(({ operation }) => operation === "Apply").map(({ manager }) => manager),
  }));
  assert.ok(writers.filter(({ by }) => by.length > 0).length > 2, "these objects are applied");
  for (const { object, by } of writers) assert.ok(by.length < 2, `${object}: ${by.join(", ")}`);
  return Object.fromEntries(writers.flatMap(({ object, by: [writer] }) => (writer ? [[object, writer]] : [])));
}
