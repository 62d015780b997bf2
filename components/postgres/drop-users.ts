/** Ends PostgreSQL users whom others made: Vault, or Teleport. */
import type { KubernetesClient } from "../kubernetes/client";
import { ClusterReference, MAINTENANCE_DATABASE, sqlInPrimary } from "./psql";
import { DATABASES_QUERY, dropScript, lockOutScript, surrenderScript } from "./grants";

/**
 * Ends users as the superuser, in every database.
 *
 * @param query lists their names
 * @param at.database whose owner inherits what they own where their own database has no heir
 * @param at.heir who inherits where neither has one
 */
export async function endUsers(
  kubernetes: KubernetesClient,
  cluster: ClusterReference,
  { database, heir }: { database: string; heir?: string },
  query: string,
): Promise<void> {
  const sql = (where: string, script: string) => sqlInPrimary(kubernetes, cluster, where, script);
  const users = await sql(MAINTENANCE_DATABASE, query);
  if (users.length === 0) return;
  await sqlInPrimary(kubernetes, cluster, MAINTENANCE_DATABASE, lockOutScript(users), { ends: users });
  for (const each of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
    await sql(each, surrenderScript(users, database, heir));
  await sql(MAINTENANCE_DATABASE, dropScript(users));
}
