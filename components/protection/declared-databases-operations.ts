/** DeclaredDatabases: creates nothing, and refuses changes that would lose data. */
import { ApiReader, apiReader, KubernetesConnection, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import type { ResourceKind } from "../dynamic/converge";
import { OWNER_LABEL } from "../owner-label";
import { contextResourceName } from "../kubernetes/names";
import { DeclaredDatabase, DeclaredDatabasesArgs } from "./declared-databases";
import { howToDelete, PROTECTION_ANNOTATION } from "./deletion-settings";
import { clusterMayExist, moveRefusal } from "./deletion-protection-operations";
import { Connect, findCluster, IN_PREVIEW, clusterConflict } from "../cnpg/taken-cluster";

/** The kind of resource. `connect` reaches the API server. */
export function declaredDatabases(connect: Connect = apiReader): ResourceKind<DeclaredDatabasesArgs> {
  return {
    id: () => "databases",
    async check(news, olds) {
      const refusals = [
        ...(await lost(olds?.databases ?? {}, news.databases)),
        ...(await lostNamespaces(news)),
        ...(await takenNamespaces(olds?.databases ?? {}, news)),
        ...(olds?.databases === undefined ? await undeclaredClusters(news) : []),
        ...(await takenClusters(olds?.databases, news.databases)),
      ];
      return { refusals };
    },
    declared: ({ databases }) => sorted(databases),
  };

  /**
   * Clusters of this stack that are not declared. A state without this resource, e.g. of 0.1.0, may contain them. Needs the
   * right `list` on Clusters; without it, they are not found.
   */
  async function undeclaredClusters({ databases, owner }: DeclaredDatabasesArgs): Promise<string[]> {
    const all = Object.values(databases);
    const contexts = all.length > 0 ? [...new Set(all.map(({ context }) => context))] : [undefined];
    const reasons = contexts.map((context) =>
      asked({ context }, async (api) => {
        const found = (await api.read("/apis/postgresql.cnpg.io/v1/clusters")) as
          { items?: KubernetesObject[] } | undefined;
        return (found?.items ?? []).flatMap(({ metadata }) => {
          const {
            name,
            namespace,
            annotations = {},
          } = metadata as unknown as {
            name: string;
            namespace: string;
            annotations?: Record<string, string>;
          };
          const whose = annotations[OWNER_LABEL] ?? "";
          const isDeclared = all.some((each) => each.cluster === name && each.namespace === namespace);
          if (!whose.startsWith(owner) || isDeclared || annotations[PROTECTION_ANNOTATION] === "false") return [];
          const database = whose.slice(owner.length);
          return [
            `The Cluster ${namespace}/${name} of this stack's database ${database} is protected from deletion, but the ` +
              "configuration does not have this database. Nothing was changed. Add the database again as it was, and run " +
              `\`pulumi up\` before you change anything else. ${howToDelete(database)}`,
          ];
        });
      }),
    );
    return [...new Set((await Promise.all(reasons)).flat())];
  }

  /** Databases that would be lost, if their Clusters exist. */
  async function lost(
    before: Record<string, DeclaredDatabase>,
    now: Record<string, DeclaredDatabase>,
  ): Promise<string[]> {
    const reasons = lostDatabases(before, now).map(async ([name, reason]) => {
      const { cluster, namespace, context, owner, adopt } = before[name] as DeclaredDatabase;
      // Its context may have been renamed since.
      const successor = now[name] ?? Object.values(now).find(({ formerNames }) => formerNames.includes(name));
      const connection = { context: successor ? successor.context : context };
      // A takeover that has not begun, or was given up.
      if (adopt && (await isOthers(connection, namespace, cluster, owner))) return [];
      const isThere = await clusterMayExist(connect, { ...connection, cluster, namespace });
      return isThere ? [reason] : [];
    });
    return (await Promise.all(reasons)).flat();
  }

  /** Whether a Cluster exists that does not name this owner. */
  async function isOthers(
    connection: KubernetesConnection,
    namespace: string,
    cluster: string,
    owner: string,
  ): Promise<boolean> {
    const reasons = await asked(connection, async (api) => {
      const found = await findCluster(api, namespace, cluster);
      const annotations = (found?.metadata.annotations ?? {}) as Record<string, string>;
      return found && annotations[OWNER_LABEL] !== owner ? [cluster] : [];
    });
    return reasons.length > 0;
  }

  /** Existing Clusters with the names of new databases. A state without `before` may be from 0.1.0. */
  async function takenClusters(
    before: Record<string, DeclaredDatabase> | undefined,
    now: Record<string, DeclaredDatabase>,
  ): Promise<string[]> {
    const isNew = ([name, { formerNames }]: [string, DeclaredDatabase]) =>
      [name, ...formerNames].every((each) => before?.[each] === undefined);
    const reasons = Object.entries(now)
      .filter(isNew)
      .map(async ([, { context, namespace, cluster, owner, adopt }]) => {
        const wanted = { namespace, name: cluster, owner, adopt };
        return asked({ context }, async (api) =>
          [(await clusterConflict(api, wanted, before !== undefined)) ?? []].flat(),
        );
      });
    return (await Promise.all(reasons)).flat();
  }

  /** Returns nothing if the API server cannot be asked: the check of the operator reports why. */
  async function asked(
    connection: KubernetesConnection,
    ask: (api: ApiReader) => Promise<string[]>,
  ): Promise<string[]> {
    try {
      return await ask(await connect(connection, IN_PREVIEW));
    } catch (error) {
      if (error instanceof KubernetesError) return [];
      throw error;
    }
  }

  /** Namespaces that this stack created, and that the configuration now declares as existing ones. */
  async function lostNamespaces({ databases, owner }: DeclaredDatabasesArgs): Promise<string[]> {
    const all = Object.entries(databases);
    const isMade = ({ context, namespace }: DeclaredDatabase) =>
      all.some(([, each]) => each.makesNamespace && each.namespace === namespace && each.context === context);
    // Two contexts may lead to the same cluster. Then a database of another context may create the Namespace.
    const makers = all
      .filter(([, { makesNamespace }]) => makesNamespace)
      .map(([, { context, namespace }]) => owner + contextResourceName(context, namespace, "before"));
    const given = all.filter(([, database]) => !isMade(database));
    const reasons = given.map(([name, { context, namespace }]) =>
      asked({ context }, async (api) => {
        const whose = (await namespaceOwner(api, namespace)) ?? "";
        if (!whose.startsWith(owner) || makers.includes(whose)) return [];
        return [
          `databases.${name}.namespace = "${namespace}": this stack created the Namespace ${namespace}, and would stop ` +
            "managing it. Nothing was changed. Add createNamespace: true beside namespace. To hand the Namespace over to " +
            `somebody else, run: kubectl annotate namespace ${namespace} ${OWNER_LABEL}-`,
        ];
      }),
    );
    return [...new Set((await Promise.all(reasons)).flat())];
  }

  /** Namespaces that this stack would create, and that belong to other stacks. */
  async function takenNamespaces(
    before: Record<string, DeclaredDatabase>,
    { databases, owner }: DeclaredDatabasesArgs,
  ): Promise<string[]> {
    // After a `pulumi stack rename`, the Namespaces of this stack still have its former name.
    const isOurs = ({ namespace }: DeclaredDatabase) =>
      Object.values(before).some((each) => each.makesNamespace && each.namespace === namespace);
    const created = Object.values(databases).filter((each) => each.makesNamespace && !isOurs(each));
    const reasons = created.map(({ context, namespace }) =>
      asked({ context }, async (api) => {
        const whose = await namespaceOwner(api, namespace);
        if (whose === undefined || whose.startsWith(owner)) return [];
        return [
          `The Namespace ${namespace} exists already and belongs to ${whose}. Nothing was changed. To put databases into it, ` +
            `set namespace: ${namespace} and leave out createNamespace. Otherwise, set namespace or clusterName to another name.`,
        ];
      }),
    );
    return [...new Set((await Promise.all(reasons)).flat())];
  }
}

/** The owner annotation of a Namespace. Undefined if it has none, or does not exist. */
async function namespaceOwner(api: ApiReader, namespace: string): Promise<string | undefined> {
  const found = (await api.read(`/api/v1/namespaces/${namespace}`)) as KubernetesObject | undefined;
  return (found?.metadata as { annotations?: Record<string, string> } | undefined)?.annotations?.[OWNER_LABEL];
}

/** Protected databases that are no longer declared, or are declared as another Cluster, with the refusal. Pure. */
export function lostDatabases(
  before: Record<string, DeclaredDatabase>,
  now: Record<string, DeclaredDatabase>,
): [name: string, reason: string][] {
  return Object.entries(before).flatMap(([name, old]) => {
    if (!old.protected) return [];
    const [key, successor] = Object.entries(now).find(
      ([each, { formerNames }]) => each === name || formerNames.includes(name),
    ) ?? [undefined, undefined];
    if (!successor) {
      const reason =
        `The database ${name} is protected from deletion, but is no longer in the configuration. Nothing was changed. ` +
        `Add it again. If it was renamed, add formerNames: [${name}] and clusterName: ${old.cluster} to its new name. ` +
        howToDelete(name);
      return [[name, reason]];
    }
    const { namespace, cluster } = successor;
    const reason = moveRefusal({ ...old, database: name }, { database: key, namespace, cluster });
    return reason === undefined ? [] : [[name, reason]];
  });
}

function sorted(databases: Record<string, DeclaredDatabase> = {}): unknown {
  return Object.entries(databases)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, { context, namespace, makesNamespace, cluster, protected: isProtected, formerNames }]) => [
      ...[name, context ?? "", namespace, makesNamespace, cluster, isProtected, formerNames],
    ]);
}
