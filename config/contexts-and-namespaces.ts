/**
 * The contexts of the kubeconfig and the namespaces that the databases of a configuration use. Names of Pulumi
 * resources contain a context's name, so former names of contexts matter too. Pure.
 */
import type { DeclaredDatabase } from "../components/protection/declared-databases";
import type { SettingProblem } from "../components/problems";

/** The parts of a database's plan that are used here. */
interface PlacedDatabase {
  name: string;
  context: string | undefined;
  formerContexts: readonly string[];
  namespace: string;
  clusterName: string;
  createsNamespace: boolean;
  isProtected: boolean;
  settings: { formerNames?: string[]; adopt?: boolean };
}

interface Databases {
  databases: Readonly<Record<string, PlacedDatabase>>;
}

/** A context of the kubeconfig. */
export interface Context {
  /** Undefined for the current context. */
  context: string | undefined;
  /** Former names of this context. Undefined stands for the current context. */
  former: (string | undefined)[];
}

/** A namespace that the program creates. */
export interface CreatedNamespace {
  context: string | undefined;
  namespace: string;
  /** The Namespace may exist already, because a Cluster in it is taken over. Absent: it is new. */
  adopts?: true;
  /** Databases whose PostgresCluster may have created this Namespace in version 0.1.0, with their former names. */
  databases: string[];
}

/** The contexts that the databases use. A context that is named for the first time was the current one before. */
export function contextsOf({ databases }: Databases): Context[] {
  const all = Object.values(databases);
  const contexts = [...new Set(all.map(({ context }) => context))];
  return contexts.map((context) => {
    const named = all.filter((each) => each.context === context).flatMap(({ formerContexts }) => formerContexts);
    const former = [...new Set<string | undefined>(named)].filter((each) => !contexts.includes(each));
    return { context, former: contexts.length === 1 && context !== undefined ? [...former, undefined] : former };
  });
}

/** The contexts of databases that are taken over. */
export function adoptingContextsOf(plan: Databases): Context[] {
  const adopting = Object.values(plan.databases).filter(({ settings }) => settings.adopt);
  return contextsOf(plan).filter(({ context }) => adopting.some((each) => each.context === context));
}

/**
 * The namespaces to create. Several databases may be in one namespace, and it is enough that one of them creates it.
 */
export function namespacesToCreate(databases: Databases["databases"]): CreatedNamespace[] {
  const all = Object.values(databases);
  const created = new Map<string, CreatedNamespace>();
  for (const { context, namespace, createsNamespace } of all) {
    const key = JSON.stringify([context, namespace]);
    if (!createsNamespace || created.has(key)) continue;
    const inIt = all.filter((each) => each.context === context && each.namespace === namespace);
    const makers = inIt.filter(({ clusterName }) => clusterName === namespace);
    const names = makers.flatMap(({ name, settings }) => [name, ...(settings.formerNames ?? [])]);
    const adopts = inIt.some(({ settings }) => settings.adopt === true);
    created.set(key, { context, namespace, ...(adopts ? { adopts } : {}), databases: names });
  }
  return [...created.values()];
}

/** The databases as the state stores them, so that the next `up` can compare them. */
export function declaredDatabases(
  { databases, namespaces }: Databases & { namespaces: readonly CreatedNamespace[] },
  ownerOf: (database: string) => string,
): Record<string, DeclaredDatabase> {
  return Object.fromEntries(
    Object.values(databases).map(({ name, context, namespace, clusterName, isProtected, settings }) => [
      name,
      {
        context,
        namespace,
        makesNamespace: namespaces.some((place) => place.context === context && place.namespace === namespace),
        cluster: clusterName,
        protected: isProtected,
        owner: ownerOf(name),
        formerNames: settings.formerNames ?? [],
        ...(settings.adopt === true ? { adopt: true as const } : {}),
      },
    ]),
  );
}

/**
 * Refuses a former name that is the name or a former name of another database: the owner of the Cluster would be
 * unclear.
 */
export function checkFormerNames({ databases }: Databases): SettingProblem[] {
  const usedBy = new Map<string, string>(Object.keys(databases).map((name) => [name, `databases.${name}`]));
  return Object.values(databases).flatMap(({ name, settings: { formerNames = [] } }) =>
    formerNames.flatMap((former, index) => {
      const other = usedBy.get(former);
      const setting = `databases.${name}.formerNames[${index}]`;
      usedBy.set(former, setting);
      if (other === undefined) return [];
      const problem = `must be unique, but ${other} has the same name`;
      return [{ setting, value: former, problem, fix: "Remove one of the two." }];
    }),
  );
}
