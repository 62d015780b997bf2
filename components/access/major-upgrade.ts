/** What keeps `pg_upgrade` from coming to a major version of PostgreSQL, looked at before the upgrade begins. */
import { sleepReason } from "../cnpg/sleep";
import type { KubernetesClient } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { ClusterReference, clusterNow, isServing, MAINTENANCE_DATABASE, sqlInPrimary } from "./primary";
import { DATABASES_QUERY, upgradeHindranceQuery } from "./statements";

/** The major version where the settings name none: the operator's default image may be of any. */
const ANY_MAJOR = 99;

/**
 * Refuses an upgrade that `pg_upgrade` could not carry out. A Cluster that is gone, sleeps, or does not serve is passed over:
 * its image may be what is wrong with it.
 *
 * @param major undefined where the settings name none
 * @throws Error that names the databases in which something hinders the upgrade
 * @throws KubernetesError if a Cluster that serves could not be asked
 */
export async function refuseIfHindered(
  kubernetes: KubernetesClient,
  name: Omit<ClusterReference, "uid">,
  major: number | undefined,
): Promise<void> {
  const cluster = await clusterNow(kubernetes, name).catch(unasked);
  if (!cluster || sleepReason(cluster) !== undefined || !isServing(cluster)) return;
  const reference = { ...name, uid: cluster.metadata.uid ?? "" };
  const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
  const hindered: string[] = [];
  for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
    hindered.push(...(await sql(database, upgradeHindranceQuery(major ?? ANY_MAJOR))));
  if (hindered.length === 0) return;
  throw new Error(
    `${name.cluster} cannot be upgraded to PostgreSQL ${major ?? "of the operator's choice"} yet: in the database ${hindered.join(", ")} the function pg_logical_emit_message does not have its default rights, ` +
      "and pg_upgrade would fail. Run `pulumi up` with the present image, which restores what an earlier release of this " +
      'program changed. Then change the image. If this error stays, see docs/operations.md, "Upgrading PostgreSQL".',
  );
}

/** What comes next says that Kubernetes does not answer. */
function unasked(error: unknown): undefined {
  if (!(error instanceof KubernetesError)) throw error;
}
