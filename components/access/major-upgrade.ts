/** What keeps `pg_upgrade` from coming to a major version of PostgreSQL, looked at before the upgrade begins. */
import { beforeUpdate } from "../hooks";
import { kubernetesClient, KubernetesClient, KubernetesConnection } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { asleep, ClusterReference, MAINTENANCE_DATABASE, sqlInPrimary } from "./primary";
import { DATABASES_QUERY, upgradeHindranceQuery } from "./statements";

/** What decides about the image in a Cluster's spec. */
type Image = { spec?: { imageName?: unknown; imageCatalogRef?: unknown } };

/** Looks before the Cluster's image changes, in every run: a preview may have been skipped. */
export function beforeUpgrade(resource: string, major: number, kubernetes: KubernetesConnection = {}) {
  return beforeUpdate(`clusters/${resource}/major-upgrade`, async ({ oldInputs, newInputs, oldOutputs }) => {
    const imageOf = ({ spec }: Image = {}) => JSON.stringify([spec?.imageName, spec?.imageCatalogRef]);
    if (imageOf(oldInputs as Image) === imageOf(newInputs as Image)) return;
    const { namespace, name, uid } = (oldOutputs as { metadata: Record<"namespace" | "name" | "uid", string> })
      .metadata;
    await refuseIfHindered(await kubernetesClient(kubernetes), { namespace, cluster: name, uid }, major);
  });
}

/** What cannot be looked at is passed over: the image may be what is wrong with the Cluster. */
export async function refuseIfHindered(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
  major: number,
): Promise<void> {
  try {
    if ((await asleep(kubernetes, reference)) !== undefined) return;
    await refuseHinderedUpgrade(kubernetes, reference, major);
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
  }
}

/** @throws Error that names the databases in which something hinders the upgrade */
async function refuseHinderedUpgrade(
  kubernetes: KubernetesClient,
  reference: ClusterReference,
  major: number,
): Promise<void> {
  const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
  const hindered: string[] = [];
  for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
    hindered.push(...(await sql(database, upgradeHindranceQuery(major))));
  if (hindered.length === 0) return;
  throw new Error(
    `${reference.cluster} cannot be upgraded to PostgreSQL ${major} yet: in the database ${hindered.join(", ")} the function ` +
      "pg_logical_emit_message does not have its default rights, and pg_upgrade would fail. Run `pulumi up` with the " +
      "present image, which restores what an earlier release of this program changed. Then change the image. If this error " +
      'stays, see docs/operations.md, "Upgrading PostgreSQL".',
  );
}
