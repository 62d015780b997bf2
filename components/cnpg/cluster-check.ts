/** Checks the settings of a Cluster, before Kubernetes or the operator's webhook would refuse them. Pure. */
import { SettingProblem } from "../problems";
import { checkBackup } from "./backup";
import { checkMovedSettings } from "./cluster-fields";
import { ClusterSettings, DEFAULT_INSTANCES } from "./cluster-spec";
import { checkDatabases } from "./databases-check";
import { checkImage } from "./image";
import { checkInitDb } from "./initdb";
import { checkMetadata } from "./metadata";
import { checkNetworkPolicy } from "./network-policy-check";
import { checkParameters } from "./parameters";
import { checkPgHba } from "./pg-hba-check";
import { checkPgIdent } from "./pg-ident";
import { checkRecovery } from "./recovery";
import { checkResources } from "./resources";
import { checkSpec } from "./spec-check";
import type { ServiceContext } from "./services";
import { checkVolumes } from "./storage";
import { wrong } from "../value-check";

/** What else the checks depend on. */
export interface ClusterContext extends ServiceContext {
  /** Name of the Cluster. */
  cluster?: string;
  /** Users that log in through Teleport. */
  users?: readonly { name: string }[];
  /** The database is registered in Teleport, so Teleport's agents must reach the instances. */
  registered?: boolean;
}

/** Returns every problem with the settings of a Cluster. `path` is put before the name of each setting. */
export function checkClusterSettings(
  path: string,
  settings: ClusterSettings,
  context: ClusterContext = {},
): SettingProblem[] {
  const at = (setting: string) => (path ? `${path}.${setting}` : setting);
  const { instances = DEFAULT_INSTANCES, walStorage, resources } = settings;
  const parameterContext = {
    instances,
    walSize: walStorage?.size,
    memoryRequest: resources?.requests?.memory,
  };
  return [
    ...checkMovedSettings(settings).map((moved) => ({ ...moved, setting: at(moved.setting) })),
    ...checkInstances(at("instances"), instances),
    ...checkImage(at, settings),
    ...checkVolumes(at, settings),
    ...checkResources(at("resources"), resources),
    ...checkInitDb(at("initdb"), settings.initdb),
    ...checkParameters(at, settings, parameterContext),
    ...checkPgHba(at, settings.pgHba, context.users),
    ...checkPgIdent(at, settings.pgIdent, settings.pgHba),
    ...checkMetadata(at, settings, context.cluster),
    ...checkDatabases(at, settings, context.users),
    ...(settings.networkPolicy
      ? checkNetworkPolicy(at("networkPolicy"), settings.networkPolicy, context.registered)
      : []),
    ...(settings.backup ? checkBackup(at, settings.backup, settings.spec) : []),
    ...(settings.recovery ? checkRecovery(at, settings.recovery, settings) : []),
    ...checkSpec(at("spec"), settings, context),
  ];
}

function checkInstances(setting: string, instances: number): SettingProblem[] {
  if (Number.isInteger(instances) && instances >= 1) return [];
  const fix = "Write a whole number of at least 1. With 3, the database survives the loss of one instance.";
  return wrong(setting, instances, "is not a valid number of instances", fix);
}
