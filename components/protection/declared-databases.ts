/** The databases of a whole configuration, remembered from one `up` to the next. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";

/** Where a database of the configuration is. */
export interface DeclaredDatabase {
  /** Context of the kubeconfig. Absent: the current one. */
  context?: string;
  namespace: string;
  /** Whether this program makes the Namespace. */
  makesNamespace: boolean;
  cluster: string;
  protected: boolean;
  /** The owner annotation of its Cluster. */
  owner: string;
  /** Names that it had in the configuration before. */
  formerNames: string[];
}

export interface DeclaredDatabasesArgs {
  databases: Record<string, DeclaredDatabase>;
  /** `<organization>/<project>/<stack>/`: how the owner annotation of everything that this stack makes begins. */
  owner: string;
}

/** Name of a resource of a context: `kubernetes`, `kubernetes-prod`. */
export function inContext(context: string | undefined, name: string, separator: "after" | "before"): string {
  if (context === undefined) return name;
  return separator === "after" ? `${name}-${context}` : `${context}-${name}`;
}

const provider = dynamicProvider("declaredDatabases");

/**
 * Refuses, in a preview already, a configuration that would lose data: in which a protected database is missing or is
 * another Cluster, or a Namespace that this stack made is declared as somebody else's. Needs the Kubernetes right `get` on
 * Namespaces; without it the last is not noticed, and the Namespace stays when the stack lets go of it.
 */
export class DeclaredDatabases extends pulumi.dynamic.Resource {
  constructor(name: string, args: DeclaredDatabasesArgs, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args }, opts, "postgres", "DeclaredDatabases");
  }
}
