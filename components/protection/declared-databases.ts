/** The databases of a configuration, stored from one `up` to the next. */
import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "../dynamic/provider";

/** The place of a database of the configuration. */
export interface DeclaredDatabase {
  /** Context of the kubeconfig. Absent: the current one. */
  context?: string;
  namespace: string;
  /** Whether this program creates the Namespace. */
  makesNamespace: boolean;
  cluster: string;
  protected: boolean;
  /** The owner annotation of its Cluster. */
  owner: string;
  /** Earlier names of the database in the configuration. */
  formerNames: string[];
  /** The Cluster exists already and is taken over. Absent: it is new. */
  adopt?: true;
}

export interface DeclaredDatabasesArgs {
  databases: Record<string, DeclaredDatabase>;
  /** `<organization>/<project>/<stack>/`: the prefix of the owner annotation of everything that this stack creates. */
  owner: string;
}

const provider = dynamicProvider("declaredDatabases");

/**
 * Refuses, already in a preview, a configuration that would lose data: a protected database is missing or would be another
 * Cluster, or a Namespace that this stack created is declared as somebody else's. Needs the Kubernetes right `get` on
 * Namespaces. Without this right, it does not notice the last case, and the Namespace stays when it leaves the stack.
 */
export class DeclaredDatabases extends pulumi.dynamic.Resource {
  constructor(name: string, args: DeclaredDatabasesArgs, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args }, opts, "postgres", "DeclaredDatabases");
  }
}
