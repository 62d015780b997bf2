/** Everything that follows from a checked configuration: what index.ts makes, and what the checks compare. Pure. */
import { ClusterPlan, planCluster } from "../components/postgres-cluster/plan";
import { ApplicationPlan, planApplication } from "./applications";
import type { ApplicationSettings, DatabaseSettings } from "./settings";

/** A database, and where it is. */
export interface DatabasePlan extends ClusterPlan<string> {
  /** Context of the kubeconfig; undefined for the current one. */
  context: string | undefined;
  /** Names that the context had before. */
  formerContexts: readonly string[];
  /** Whether the program makes its namespace. */
  makesNamespace: boolean;
}

/** What follows from a configuration. */
export interface EnvironmentPlan {
  /** By the names in the configuration. */
  databases: Record<string, DatabasePlan>;
  applications: Record<string, ApplicationPlan>;
}

/** Plans an environment. Of applications whose databases are not there, the plan has what is known. */
export function planEnvironment(
  databases: Readonly<Record<string, DatabaseSettings>>,
  applications: Readonly<Record<string, ApplicationSettings>>,
  stack: string,
): EnvironmentPlan {
  const planned = mapped(databases, (name, settings) => planDatabase(name, settings, stack));
  return {
    databases: planned,
    applications: mapped(applications, (name, settings) => planApplication(name, settings, planned, stack)),
  };
}

function planDatabase(name: string, all: DatabaseSettings, stack: string): DatabasePlan {
  const { createNamespace = all.namespace === undefined, kubernetes = {}, ...settings } = all;
  const { context, formerContexts = [] } = kubernetes;
  const plan = planCluster(name, { ...settings, kubernetes: { context } }, stack);
  return { ...plan, context, formerContexts, makesNamespace: createNamespace };
}

function mapped<From, To>(
  record: Readonly<Record<string, From>>,
  map: (name: string, value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(name, value)]));
}
