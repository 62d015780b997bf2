/**
 * Where the databases of a configuration are: Kubernetes clusters, by the kubeconfig's contexts, and namespaces in them.
 * Names of Pulumi resources are made of them, so what a context was called before counts as well. Pure.
 */
import type { DeclaredDatabase } from "../components/protection/declared-databases";
import type { SettingProblem } from "../components/problems";
import type { EnvironmentPlan } from "./plan";

type Databases = Pick<EnvironmentPlan, "databases">;

/** A context of the kubeconfig; undefined for the current one. */
export interface Context {
  context: string | undefined;
  /** Contexts that this one was called before: undefined for the current one. */
  former: (string | undefined)[];
}

/** A namespace that the program makes. */
export interface MadeNamespace {
  context: string | undefined;
  namespace: string;
  /** Databases whose own Namespace this was, before the program made each Namespace once. */
  databases: string[];
}

/** The contexts, each once. A context that is named for the first time was the current one before. */
export function contextsOf({ databases }: Databases): Context[] {
  const all = Object.values(databases);
  const contexts = [...new Set(all.map(({ context }) => context))];
  return contexts.map((context) => {
    const named = all.filter((each) => each.context === context).flatMap(({ formerContexts }) => formerContexts);
    const former = [...new Set<string | undefined>(named)].filter((each) => !contexts.includes(each));
    return { context, former: contexts.length === 1 && context !== undefined ? [...former, undefined] : former };
  });
}

/** The namespaces to make: each once, however many databases are in it, and however it is declared. */
export function namespacesToMake({ databases }: Databases): MadeNamespace[] {
  const made = new Map<string, MadeNamespace>();
  for (const { name, context, namespace, clusterName, makesNamespace, settings } of Object.values(databases)) {
    const key = JSON.stringify([context, namespace]);
    if (!makesNamespace && !made.has(key)) continue;
    const known = made.get(key) ?? { context, namespace, databases: [] };
    if (clusterName === namespace) known.databases.push(name, ...(settings.formerNames ?? []));
    made.set(key, known);
  }
  return [...made.values()];
}

/** What is remembered of each database from one `up` to the next. */
export function declaredDatabases(
  { databases }: Databases,
  ownerOf: (database: string) => string,
): Record<string, DeclaredDatabase> {
  const made = namespacesToMake({ databases });
  return Object.fromEntries(
    Object.values(databases).map(({ name, context, namespace, clusterName, isProtected, settings }) => [
      name,
      {
        context,
        namespace,
        makesNamespace: made.some((place) => place.context === context && place.namespace === namespace),
        cluster: clusterName,
        protected: isProtected,
        owner: ownerOf(name),
        formerNames: settings.formerNames ?? [],
      },
    ]),
  );
}

/** Former names that are in use, or that two databases claim: it would not be clear whose Cluster it is. */
export function checkFormerNames({ databases }: Databases): SettingProblem[] {
  const claimed = new Map<string, string>(Object.keys(databases).map((name) => [name, `databases.${name}`]));
  return Object.values(databases).flatMap(({ name, settings: { formerNames = [] } }) =>
    formerNames.flatMap((former, index) => {
      const other = claimed.get(former);
      const setting = `databases.${name}.formerNames[${index}]`;
      claimed.set(former, setting);
      if (other === undefined) return [];
      const problem = `must be unique, but ${other} has the same name`;
      return [{ setting, value: former, problem, fix: "Remove one of the two." }];
    }),
  );
}
