/** Everything that follows from a configuration. index.ts creates resources from it, and checks compare it. Pure. */
import { ClusterPlan, planCluster } from "../components/postgres-cluster/plan";
import { ApplicationPlan, planApplication } from "./applications";
import { CreatedNamespace, namespacesToCreate } from "./contexts-and-namespaces";
import type { ApplicationSettings, DatabaseSettings } from "./settings";

/** The plan of a database, with its Kubernetes cluster and namespace. */
export interface DatabasePlan extends ClusterPlan<string> {
  /** Context of the kubeconfig. Undefined for the current context. */
  context: string | undefined;
  /** Former names of the context. */
  formerContexts: readonly string[];
  /** Whether the program creates its namespace. */
  createsNamespace: boolean;
}

/** The plan of a configuration. Keys are the names in the configuration. */
export interface EnvironmentPlan {
  /** The namespaces that the program creates. */
  namespaces: CreatedNamespace[];
  databases: Record<string, DatabasePlan>;
  applications: Record<string, ApplicationPlan>;
}

/** Plans an environment. The plan of an application may be incomplete if one of its databases is missing. */
export function planEnvironment(
  databases: Readonly<Record<string, DatabaseSettings>>,
  applications: Readonly<Record<string, ApplicationSettings>>,
  stack: string,
): EnvironmentPlan {
  const planned = mapEntries(databases, (name, settings) => planDatabase(name, settings, stack));
  return {
    namespaces: namespacesToCreate(planned),
    databases: planned,
    applications: mapEntries(applications, (name, settings) => planApplication(name, settings, planned, stack)),
  };
}

function planDatabase(name: string, all: DatabaseSettings, stack: string): DatabasePlan {
  const { createNamespace = all.namespace === undefined, kubernetes = {}, ...settings } = all;
  const { context, formerContexts = [] } = kubernetes;
  const plan = planCluster(name, { ...settings, kubernetes: { context } }, stack);
  return { ...plan, context, formerContexts, createsNamespace: createNamespace };
}

function mapEntries<From, To>(
  record: Readonly<Record<string, From>>,
  map: (name: string, value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(name, value)]));
}
