/** Names in Teleport that are derived from a Cluster's, and the labels of its databases there. Pure. */
import { SettingProblem } from "../problems";

/** Teleport's rule for the names of databases (`ValidateDatabase`); names also become DNS labels at the proxy. */
const MAX_TELEPORT_NAME = 63;
const DNS_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** Names of a Cluster's databases in Teleport; the environment makes them unique in the whole Teleport cluster. */
export function teleportNames(
  cluster: string,
  environment: string,
  override?: string,
): { primary: string; standby: string } {
  const primary = override ?? `${cluster}-${environment}`;
  return { primary, standby: `${primary}-ro` };
}

/** Checks the name of a database in Teleport. */
export function checkTeleportName(setting: string, name: string): SettingProblem[] {
  if (DNS_1035.test(name) && name.length <= MAX_TELEPORT_NAME) return [];
  return [
    {
      setting,
      value: name,
      problem: "is not a name that Teleport accepts for a database",
      fix: `Use at most ${MAX_TELEPORT_NAME} lower-case letters, digits and hyphens, beginning with a letter; set teleport.name to choose another one.`,
    },
  ];
}

/** The label that primary and standby have in common, and no other database: the primary's name in Teleport. */
export const PRIMARY_LABEL = "primary";
/** Labels of databases in Teleport that are set here. */
export const OUR_LABELS = ["environment", "cluster", "namespace", PRIMARY_LABEL, "provisioned_by", "sql_type"];

/** The ConfigMap with the server's CA in the namespace of an agent that serves a database by its configuration. */
export function agentConfigMap(primary: string): string {
  return `${primary}-server-ca`;
}
