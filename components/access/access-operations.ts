/** The methods of Pulumi's provider behind a DatabaseAccess. */
import { setTimeout as sleep } from "node:timers/promises";
import { TeleportUser } from "../cnpg/roles";
import { PoolerAuthentication, POOLER_LOGINS } from "../cnpg/pooler";
import { KubernetesClient, kubernetesClient, KubernetesConnection, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import type { Provider } from "../provider";
import { dropPoolerLoginScript, poolerLoginQuery, poolerLoginScript } from "./pooler-logins";
import { deviates } from "./deviates";
import { ClusterReference, findCluster, MAINTENANCE_DATABASE, mustFindCluster, sqlInPrimary } from "./primary";
import { withholdsFromPublic } from "./public-functions";
import {
  accessScript,
  DATABASES_QUERY,
  deviationsQuery,
  dropScript,
  existingRolesQuery,
  giveBackToPublicScript,
  lockOutScript,
  scopedDatabases,
  surrenderScript,
} from "./statements";

/** Inputs of a DatabaseAccess, and its state. */
export interface AccessInputs extends KubernetesConnection, ClusterReference {
  /** The application's database. */
  database: string;
  users: TeleportUser[];
  /** Makes PgBouncer's roles, and the functions with which it looks up passwords. */
  poolerLogins?: PoolerAuthentication[];
  /** No instance runs (hibernation): nothing can be done, and the next run after it does it. */
  suspended?: boolean;
}

/** What is remembered. */
export interface AccessState extends AccessInputs {
  /** Roles that were removed from the declaration while no instance ran. */
  toRemove?: string[];
  /** The last reader was removed while no instance ran: what was withheld from everybody is to be given back. */
  toGiveBack?: boolean;
}

/**
 * How long CNPG may take to make roles and memberships, and after what time a reason that it gives against them is
 * taken for its last word: the one of an earlier attempt may still be shown. Rights are granted anew at each fifth look.
 */
const TIMING = { rolesWithin: 120_000, reasonsAfter: 20_000, poll: 1_000, grantsAtEach: 5 };

/** The operations over a way of reaching Kubernetes. */
export function access(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  timing = TIMING,
): Provider<AccessInputs, AccessState> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },

    /** What is declared may be the same while the database is not: both count. */
    async diff(_id, olds, news) {
      if (told(olds) !== told(news)) return { changes: true };
      if (!news.suspended && (olds.toRemove?.length || olds.toGiveBack)) return { changes: true };
      if (news.suspended) return { changes: false };
      const unseen = `The rights in ${news.cluster} could not be looked at, and count as unchanged`;
      return deviates(news.cluster, unseen, async () => deviations(await connect(news), news));
    },

    async create(inputs) {
      await apply(inputs);
      return { id: `${inputs.namespace}/${inputs.cluster}`, outs: inputs };
    },

    async read(id, props) {
      if (!props?.cluster)
        throw new KubernetesError("failed", `${id} cannot be imported; \`pulumi up\` makes it anew.`);
      return (await findCluster(await connect(props), props)) ? { id, props } : {};
    },

    async update(_id, olds, news) {
      const toRemove = removedRoles(olds, news);
      const toGiveBack = isWithheld(olds) && olds.uid === news.uid && !withholdsFromPublic(news.users);
      if (news.suspended) return { outs: { ...news, toRemove, ...(toGiveBack ? { toGiveBack } : {}) } };
      await apply(news, toRemove);
      if (toGiveBack) await giveBack(await connect(news), news);
      return { outs: news };
    },

    async delete(_id, props) {
      const kubernetes = await connect(props);
      // With its Cluster gone, or another in its place, so are the roles.
      if (!(await findCluster(kubernetes, props))) return;
      await remove(kubernetes, props, [...rolesOf(props), ...(props.toRemove ?? [])]);
      if (isWithheld(props)) await giveBack(kubernetes, props);
    },
  };

  async function giveBack(kubernetes: KubernetesClient, reference: AccessInputs): Promise<void> {
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      await sql(database, giveBackToPublicScript());
  }

  async function apply(inputs: AccessInputs, toRemove: readonly string[] = []): Promise<void> {
    if (inputs.suspended) return;
    const kubernetes = await connect(inputs);
    await untilRolesExist(kubernetes, inputs);
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, inputs, database, script);
    // PgBouncer's first: its schema is marked as one in which nobody is granted anything.
    for (const login of inputs.poolerLogins ?? []) await sql(MAINTENANCE_DATABASE, poolerLoginScript(login));
    const databases = await databasesOf(kubernetes, inputs);
    // Before the others' rights: who gets what the removed ones owned may have rights because of it.
    await remove(kubernetes, inputs, toRemove);
    const grant = async (inDatabases: readonly string[]) => {
      for (const database of inDatabases) await sql(database, accessScript(inputs, database));
    };
    await grant(databases);
    let looks = 0;
    await until(kubernetes, inputs, async () => {
      // Somebody may have come to own something, or made something, since they were granted.
      if (++looks % timing.grantsAtEach === 0) await grant(await databasesOf(kubernetes, inputs));
      return deviations(kubernetes, inputs);
    });
  }

  /** Every database, since what was granted in one that is no longer declared must go as well. */
  async function databasesOf(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<string[]> {
    const found = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, DATABASES_QUERY);
    const missing = scopedDatabases(inputs).filter((database) => !found.includes(database));
    if (missing.length === 0) return found;
    throw new KubernetesError(
      "failed",
      `The database ${missing.join(", ")}, which users' scope names, does not exist in ${inputs.namespace}/${inputs.cluster}. Declare it in databases, or correct scope.`,
    );
  }

  async function deviations(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<string[]> {
    const databases = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, DATABASES_QUERY);
    const found: string[] = [];
    for (const database of databases) {
      found.push(...(await sqlInPrimary(kubernetes, inputs, database, deviationsQuery(inputs, database))));
    }
    for (const login of inputs.poolerLogins ?? []) {
      found.push(...(await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, poolerLoginQuery(login))));
    }
    return found;
  }

  async function untilRolesExist(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<void> {
    const names = inputs.users.map(({ name }) => name);
    if (inputs.poolerLogins?.includes("explicit")) names.push(POOLER_LOGINS.explicit.role);
    await until(kubernetes, inputs, async () => {
      const found = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, existingRolesQuery(names));
      return names.filter((name) => !found.includes(name)).map((name) => `the role ${name} does not exist`);
    });
  }

  /** Roles and memberships are made by the operator's reconciliation, which tells in the status what it cannot do. */
  async function until(
    kubernetes: KubernetesClient,
    inputs: AccessInputs,
    look: () => Promise<string[]>,
  ): Promise<void> {
    const begun = Date.now();
    for (;;) {
      const missing = await look();
      if (missing.length === 0) return;
      const waited = Date.now() - begun;
      const reasons = waited > timing.reasonsAfter ? reasonsOf(await mustFindCluster(kubernetes, inputs)) : "";
      if (reasons !== "" || waited > timing.rolesWithin) {
        throw new KubernetesError(
          "not-ready",
          `The roles of ${inputs.namespace}/${inputs.cluster} are not as declared after ${Math.round(waited / 1000)} s: ${missing.join("; ")}.${reasons} Correct users, and run the command again.`,
        );
      }
      await sleep(timing.poll);
    }
  }

  /** Locks out, takes everything away, drops. Roles that the Cluster declares by now for something else are left alone. */
  async function remove(
    kubernetes: KubernetesClient,
    reference: AccessInputs,
    roleNames: readonly string[],
  ): Promise<void> {
    const { spec } = await mustFindCluster(kubernetes, reference);
    const { roles = [] } = (spec?.managed ?? {}) as { roles?: { name: string }[] };
    const names = roleNames.filter((name) => !roles.some((role) => role.name === name));
    if (names.length === 0) return;
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
    await sql(MAINTENANCE_DATABASE, lockOutScript(names));
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY)) {
      await sql(database, surrenderScript(names, reference.database));
    }
    for (const [login, { role }] of Object.entries(POOLER_LOGINS)) {
      if (names.includes(role)) await sql(MAINTENANCE_DATABASE, dropPoolerLoginScript(login as PoolerAuthentication));
    }
    await sql(MAINTENANCE_DATABASE, dropScript(names));
  }
}

/** The roles that are made for a DatabaseAccess. */
function rolesOf({ users, poolerLogins = [] }: AccessInputs): string[] {
  return [...users.map(({ name }) => name), ...poolerLogins.map((login) => POOLER_LOGINS[login].role)];
}

/**
 * Roles that are no longer declared. PgBouncer's stay until all goes: its Poolers, and those made by hand, use them
 * until they are changed, which is later.
 */
function removedRoles(before: AccessState, now: AccessInputs): string[] {
  if (before.uid !== now.uid) return [];
  const kept = rolesOf(now);
  const former = [...before.users.map(({ name }) => name), ...(before.toRemove ?? [])];
  return [...new Set(former)].filter((name) => !kept.includes(name));
}

function isWithheld({ users, toGiveBack = false }: AccessState): boolean {
  return toGiveBack || withholdsFromPublic(users);
}

/** What the operator says of roles that it could not make as declared. */
function reasonsOf({ status }: KubernetesObject): string {
  const { cannotReconcile = {} } = (status?.managedRolesStatus ?? {}) as { cannotReconcile?: Record<string, string[]> };
  const told = Object.entries(cannotReconcile).map(([role, reasons]) => `${role}: ${reasons.join(", ")}`);
  return told.length > 0 ? ` CloudNativePG says: ${told.join("; ")}.` : "";
}

/** What is declared; how the cluster is reached does not count. */
function told({ namespace, cluster, uid, database, users, poolerLogins, suspended }: AccessInputs): string {
  return JSON.stringify([namespace, cluster, uid, database, users, poolerLogins ?? [], suspended ?? false]);
}

export const accessOperations = access();
