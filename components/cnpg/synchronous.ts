/** Synchronous replication: whether a commit waits for standbys. Pure. */
import { SettingProblem } from "../problems";
import { checkOneOf, checkTwice, checkWhole, wrong } from "../value-check";

/** Becomes `spec.postgresql.synchronous`. */
export interface Synchronous {
  /** `any`: whichever standbys are first to answer; `first`: the first of the list. */
  method: "any" | "first";
  /** Standbys that a commit waits for. */
  number: number;
  /** With too few standbys: `required` stops writing, `preferred` commits without waiting. Default: CNPG's, `required`. */
  dataDurability?: "required" | "preferred";
  /** Whether to fail over only if it is certain that no commit is lost. Default: CNPG's, false. */
  failoverQuorum?: boolean;
  /** Standbys of the Cluster that may count. Default: all. */
  maxStandbyNamesFromCluster?: number;
  /** Names (`application_name`) of standbys outside of the Cluster, before its own. */
  standbyNamesPre?: string[];
  /** The same, after its own. */
  standbyNamesPost?: string[];
}

export function checkSynchronous(setting: string, instances: number, synchronous?: Synchronous): SettingProblem[] {
  if (!synchronous) return [];
  const { method, number, dataDurability, maxStandbyNamesFromCluster } = synchronous;
  const { standbyNamesPre = [], standbyNamesPost = [] } = synchronous;
  return [
    ...checkOneOf(`${setting}.method`, method, ["any", "first"]),
    ...checkWhole(`${setting}.number`, number, "standbys", 1),
    ...checkOneOf(`${setting}.dataDurability`, dataDurability, ["required", "preferred"]),
    ...checkWhole(`${setting}.maxStandbyNamesFromCluster`, maxStandbyNamesFromCluster, "standbys"),
    ...checkTwice(
      (index) => `${setting}.${index < standbyNamesPre.length ? "standbyNamesPre" : "standbyNamesPost"}`,
      [...standbyNamesPre, ...standbyNamesPost],
    ),
    ...checkQuorum(setting, instances, synchronous),
  ];
}

/** What must fit together, as CNPG's webhook has it (validateSynchronousReplicaConfiguration, validateFailoverQuorum). */
function checkQuorum(setting: string, instances: number, synchronous: Synchronous): SettingProblem[] {
  const { number, dataDurability, failoverQuorum = false, standbyNamesPre = [], standbyNamesPost = [] } = synchronous;
  const outside = standbyNamesPre.length + standbyNamesPost.length;
  return [
    ...(number >= instances + outside
      ? wrong(
          `${setting}.number`,
          number,
          `is not less than the ${instances} instance(s)${outside > 0 ? ` and ${outside} other standby(s)` : ""}`,
          "Wait for fewer standbys, or use more instances.",
        )
      : []),
    ...(dataDurability === "preferred" && outside > 0
      ? wrong(
          `${setting}.dataDurability`,
          dataDurability,
          "excludes standbyNamesPre and standbyNamesPost",
          "Use required, or remove them.",
        )
      : []),
    ...(failoverQuorum && number <= outside
      ? wrong(
          `${setting}.number`,
          number,
          "could be met by standbys outside of the Cluster alone, so that failoverQuorum would allow no failover",
          `Use at least ${outside + 1}.`,
        )
      : []),
  ];
}
