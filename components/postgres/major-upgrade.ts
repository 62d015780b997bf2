/** Finds what would make `pg_upgrade` fail, before the upgrade to a major version of PostgreSQL begins. */
import { stopReason } from "../cnpg/stopped";
import type { KubernetesClient, KubernetesObject } from "../kubernetes/client";
import { ClusterReference, findClusterByName, hasReadyInstance, MAINTENANCE_DATABASE, sqlInPrimary } from "./psql";
import { CHANGED_IN } from "./public-functions";
import { DATABASES_QUERY, upgradeBlockerQuery } from "./grants";

/** The major version if the settings name none: the operator's default image may have any version. */
const ANY_MAJOR = 99;

/**
 * Refuses an upgrade that would fail in `pg_upgrade`. Ignores a Cluster that does not exist or has no ready instance:
 * its image may be the reason.
 *
 * @param major undefined if the settings name none
 * @throws Error that names the databases in which something prevents the upgrade
 * @throws KubernetesError if the Cluster could not be checked
 */
export async function refuseBlockedUpgrade(
  kubernetes: KubernetesClient,
  name: Omit<ClusterReference, "uid">,
  major: number | undefined,
): Promise<void> {
  const cluster = await findClusterByName(kubernetes, name);
  if (!cluster) return;
  const reason = stopReason(cluster);
  if (reason !== undefined) return refuseWhileStopped(cluster, reason, major);
  if (!hasReadyInstance(cluster)) return;
  const reference = { ...name, uid: cluster.metadata.uid ?? "" };
  const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
  const hindered: string[] = [];
  for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
    hindered.push(...(await sql(database, upgradeBlockerQuery(major ?? ANY_MAJOR))));
  if (hindered.length === 0) return;
  throw new Error(
    `${name.cluster} cannot be upgraded to PostgreSQL ${major ?? "of the operator's choice"} yet: in the database ${hindered.join(", ")} the function pg_logical_emit_message does not have its default rights, ` +
      "and pg_upgrade would fail. Run `pulumi up` with the present image, which restores what an earlier release of this " +
      'program changed. Then change the image. If this error stays, see docs/operations.md, "Upgrading PostgreSQL".',
  );
}

/** A stopped Cluster cannot be checked, and the upgrade would begin when it starts again. */
function refuseWhileStopped(cluster: KubernetesObject, reason: string, major = ANY_MAJOR): void {
  const { pgDataImageInfo } = (cluster.status ?? {}) as { pgDataImageInfo?: { majorVersion?: number } };
  const present = pgDataImageInfo?.majorVersion;
  if (present === undefined || present >= CHANGED_IN || major < CHANGED_IN) return;
  throw new Error(
    `${cluster.metadata.name} cannot be upgraded from PostgreSQL ${present} to ${major === ANY_MAJOR ? "the operator's choice" : major} ` +
      `while it is stopped (${reason}): the check of what would make pg_upgrade fail needs a running database. Start it with ` +
      'the present image, run `pulumi up`, and then change the image. See docs/operations.md, "Upgrading PostgreSQL".',
  );
}
