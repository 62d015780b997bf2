/** DatabaseAccess: the rights of people in all databases of a Cluster. */
import { databaseRoleName, UsersAs } from "../cnpg/database-roles";
import { inlineRoles, TeleportUser } from "../cnpg/roles";
import { PoolerAuthentication, POOLER_LOGINS } from "../cnpg/pooler";
import { KubernetesClient, kubernetesClient, KubernetesConnection, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { firstOf } from "../message-limits";
import { hasDrifted, ResourceKind } from "../dynamic/converge";
import { appliedObject } from "../cnpg/applied";
import { poll, progressOf } from "../waiting";
import { dropPoolerLoginScript, poolerLoginQuery, poolerLoginScript } from "./pooler-login";
import {
  asleep,
  ClusterReference,
  findCluster,
  MAINTENANCE_DATABASE,
  mustFindCluster,
  refuseImport,
  sayLeft,
  sqlInPrimary,
  unlessStopped,
} from "./psql";
import {
  accessScript,
  DATABASES_QUERY,
  deviationsQuery,
  dropScript,
  existingRolesQuery,
  giveBackToPublicScript,
  lockOutScript,
  missingRolesScript,
  scopedDatabases,
  surrenderScript,
  UNREACHABLE_DATABASES_QUERY,
} from "./grants";

/** Inputs of a DatabaseAccess, and its state. */
export interface AccessInputs extends KubernetesConnection, ClusterReference {
  /** The application's database. */
  database: string;
  users: TeleportUser[];
  /** How the users are declared to CloudNativePG. Default: `inline`. */
  usersAs?: UsersAs;
  /** Makes PgBouncer's roles, and the functions with which it looks up passwords. */
  poolerLogins?: PoolerAuthentication[];
  /** No instance runs (hibernation): nothing can be done, and the next run after it does it. */
  suspended?: boolean;
}

/** What is remembered. */
export interface AccessState extends AccessInputs {
  /** Roles that were removed from the declaration while no instance ran. */
  toRemove?: string[];
}

/**
 * How long CNPG may take to make roles and memberships, and after what time a reason that it gives against them is
 * taken for its last word: the one of an earlier attempt may still be shown. Rights are granted anew at each fifth look.
 */
const TIMING = { rolesWithin: 120_000, reasonsAfter: 20_000, poll: 1_000, grantsAtEach: 5 };

/** The kind over a way of reaching Kubernetes. */
export function access(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  timing = TIMING,
): ResourceKind<AccessInputs, AccessState> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,

    /** What is deleted, later, is looked for where the last `up` found it: so the context counts. */
    declared: ({ context, namespace, cluster, uid, database, users, ...rest }) => {
      const { usersAs = "inline", poolerLogins = [], suspended = false } = rest;
      return [context, namespace, cluster, uid, database, users, usersAs, poolerLogins, suspended];
    },

    async differs(news, olds) {
      if (news.suspended) return false;
      const unseen = `The rights in ${news.cluster} could not be checked, so they are assumed to be unchanged`;
      return hasDrifted(news.cluster, unseen, async () => {
        const kubernetes = await connect(news);
        if (await asleep(kubernetes, news)) return [];
        if (olds.toRemove?.length) return [`removed users still exist: ${olds.toRemove.join(", ")}`];
        return deviations(kubernetes, news);
      });
    },

    async apply(inputs, olds) {
      const toRemove = olds ? removedRoles(olds, inputs) : [];
      if (await isAsleep(inputs)) return olds ? { ...inputs, toRemove } : inputs;
      const left = await apply(inputs, toRemove);
      return left.length > 0 ? { ...inputs, toRemove: left } : inputs;
    },

    async read(state, id) {
      refuseImport(state, id);
      return (await findCluster(await connect(state), state)) && state;
    },

    async remove(state) {
      const kubernetes = await connect(state);
      // With its Cluster gone, or another in its place, so are the roles.
      if (!(await findCluster(kubernetes, state))) return;
      const names = [...rolesOf(state), ...(state.toRemove ?? [])];
      await unlessStopped(kubernetes, state, names.join(", "), async () => {
        const declared = await rolesThatStay(kubernetes, state);
        await withdraw(kubernetes, state, declared);
        await remove(
          kubernetes,
          state,
          names.filter((name) => !declared.includes(name)),
        );
        await giveBack(kubernetes, state);
      });
    },
  };

  /** Nothing can be done by the settings, or because somebody put the Cluster to sleep, which is said. */
  async function isAsleep(inputs: AccessInputs): Promise<boolean> {
    if (inputs.suspended) return true;
    const reason = await asleep(await connect(inputs), inputs);
    if (reason !== undefined) sayLeft(inputs, reason, "the rights of its users");
    return reason !== undefined;
  }

  /** Roles that stay because the Cluster still declares them, in its spec or by DatabaseRoles. */
  async function rolesThatStay(kubernetes: KubernetesClient, state: AccessState): Promise<string[]> {
    const objects = state.usersAs === "databaseRole" ? await databaseRoles(kubernetes, state) : {};
    return [...inlineRoles(await mustFindCluster(kubernetes, state)), ...Object.keys(objects)];
  }

  /** The DatabaseRoles that exist, by the name of the role. */
  async function databaseRoles(
    kubernetes: KubernetesClient,
    inputs: AccessInputs,
  ): Promise<Record<string, KubernetesObject>> {
    const found = rolesOf(inputs).map(async (role) => {
      const name = databaseRoleName(inputs.cluster, role);
      return [role, await kubernetes.get(appliedObject("DatabaseRole", inputs.namespace, name))] as const;
    });
    return Object.fromEntries((await Promise.all(found)).flatMap(([role, object]) => (object ? [[role, object]] : [])));
  }

  /** Takes the rights of users away if their roles stay. */
  async function withdraw(kubernetes: KubernetesClient, state: AccessState, stay: readonly string[]): Promise<void> {
    const declared = state.users.filter(({ name }) => stay.includes(name));
    if (declared.length === 0) return;
    const users = declared.map((user) => ({ ...user, access: "none" as const }));
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, state, database, script);
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      await sql(database, accessScript({ ...state, users }, database));
  }

  /** What an earlier release took from everybody: it may be an earlier release's state that is deleted. */
  async function giveBack(kubernetes: KubernetesClient, reference: AccessInputs): Promise<void> {
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      await sql(database, giveBackToPublicScript());
  }

  /** Returns the roles that could not be dropped yet. */
  async function apply(inputs: AccessInputs, toRemove: readonly string[] = []): Promise<string[]> {
    const kubernetes = await connect(inputs);
    await untilRolesExist(kubernetes, inputs);
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, inputs, database, script);
    // PgBouncer's first: its schema is marked as one in which nobody is granted anything.
    for (const login of inputs.poolerLogins ?? []) await sql(MAINTENANCE_DATABASE, poolerLoginScript(login));
    const databases = await databasesOf(kubernetes, inputs);
    for (const reason of await sql(MAINTENANCE_DATABASE, UNREACHABLE_DATABASES_QUERY))
      console.error(`${inputs.cluster}: ${reason}`);
    // Before the others' rights: who gets what the removed ones owned may have rights because of it.
    const left = await remove(kubernetes, inputs, toRemove);
    const grant = async (inDatabases: readonly string[]) => {
      const ends = inputs.users.map(({ name }) => name);
      for (const database of inDatabases)
        await sqlInPrimary(kubernetes, inputs, database, accessScript(inputs, database), { ends });
    };
    await grant(databases);
    let looks = 0;
    await until(kubernetes, inputs, async () => {
      // Somebody may have come to own something, or made something, since they were granted.
      if (++looks % timing.grantsAtEach === 0) await grant(await databasesOf(kubernetes, inputs));
      return deviations(kubernetes, inputs);
    });
    return left;
  }

  /** Every database, since what was granted in one that is no longer declared must go as well. */
  async function databasesOf(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<string[]> {
    const found = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, DATABASES_QUERY);
    const missing = scopedDatabases(inputs).filter((database) => !found.includes(database));
    if (missing.length === 0) return found;
    throw new KubernetesError(
      "failed",
      `The database ${missing.join(", ")}, which users' scope names, does not exist in ${inputs.namespace}/${inputs.cluster}, or does not allow connections. Declare it in databases, or correct scope.`,
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
    // If somebody drops a role by hand, the operator makes it again if it is inline. It makes the role of a DatabaseRole again
    // only when that object changes (CNPG 1.30).
    if (inputs.usersAs === "databaseRole")
      await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, missingRolesScript(names));
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
    const progress = progressOf(`the roles of ${inputs.namespace}/${inputs.cluster}`);
    await poll(async (at) => {
      const missing = await look();
      if (missing.length === 0) return "as declared";
      progress(missing);
      const waited = at.waited();
      const isLate = waited > timing.rolesWithin;
      const reasons =
        waited > timing.reasonsAfter ? reasonsOf(await failures(kubernetes, inputs), isLate ? undefined : missing) : "";
      if (reasons !== "" || isLate) {
        throw new KubernetesError(
          "not-ready",
          `The roles of ${inputs.namespace}/${inputs.cluster} are not as declared after ${Math.round(waited / 1000)} s: ${firstOf(missing).join("; ")}.${reasons} Correct users, and run the command again.`,
        );
      }
      return undefined;
    }, timing.poll);
  }

  /** Why the operator could not make a role as declared, by role. For users that left the Cluster, its status is out of date. */
  async function failures(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<Record<string, string[]>> {
    const { status } = await mustFindCluster(kubernetes, inputs);
    if (inputs.usersAs !== "databaseRole") {
      const { cannotReconcile } = (status?.managedRolesStatus ?? {}) as { cannotReconcile?: Record<string, string[]> };
      return cannotReconcile ?? {};
    }
    const reasons = Object.entries(await databaseRoles(kubernetes, inputs)).flatMap(([role, object]) => {
      const { applied, message } = (object.status ?? {}) as { applied?: boolean; message?: string };
      return applied === false && message ? [[role, [message]] as [string, string[]]] : [];
    });
    return Object.fromEntries(reasons);
  }

  /** Roles of the Cluster that DatabaseRoles of somebody else declare. None if they may not be listed. */
  async function othersDatabaseRoles(
    kubernetes: KubernetesClient,
    { namespace, cluster }: AccessInputs,
  ): Promise<string[]> {
    const { name: _, ...kind } = appliedObject("DatabaseRole", namespace, "");
    const found = await kubernetes.list(kind).catch((error: unknown) => {
      if (error instanceof KubernetesError && error.failure === "access-denied") return [];
      throw error;
    });
    return found.flatMap(({ metadata, spec }) => {
      const { name: role, cluster: of } = (spec ?? {}) as { name?: string; cluster?: { name?: string } };
      return role !== undefined && of?.name === cluster && metadata.name !== databaseRoleName(cluster, role)
        ? [role]
        : [];
    });
  }

  /**
   * Locks out, takes everything away, drops. Roles that the Cluster declares by now for something else are left alone.
   * Returns those that stay without a login, because a database that takes no connections names them.
   */
  async function remove(
    kubernetes: KubernetesClient,
    reference: AccessInputs,
    roleNames: readonly string[],
  ): Promise<string[]> {
    const declared = [
      ...inlineRoles(await mustFindCluster(kubernetes, reference)),
      ...(await othersDatabaseRoles(kubernetes, reference)),
    ];
    const names = roleNames.filter((name) => !declared.includes(name));
    if (names.length === 0) return [];
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
    await sqlInPrimary(kubernetes, reference, MAINTENANCE_DATABASE, lockOutScript(names), { ends: names });
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY)) {
      await sql(database, surrenderScript(names, reference.database));
    }
    for (const [login, { role }] of Object.entries(POOLER_LOGINS)) {
      if (names.includes(role)) await sql(MAINTENANCE_DATABASE, dropPoolerLoginScript(login as PoolerAuthentication));
    }
    await sql(MAINTENANCE_DATABASE, dropScript(names));
    const still = await sql(MAINTENANCE_DATABASE, existingRolesQuery(names));
    const left = names.filter((name) => still.includes(name));
    if (left.length > 0) {
      console.error(
        `${reference.cluster}: the removed user ${left.join(", ")} cannot log in any more, but cannot be dropped: it still has objects ` +
          "or rights in a database that does not allow connections. Drop that database, or allow connections to it, and run `pulumi up` again.",
      );
    }
    return left;
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

/**
 * What the operator says of roles that it could not make as declared.
 *
 * @param missing what is not as declared: then only what is said of roles in it, since the rest may be out of date
 */
function reasonsOf(failures: Record<string, string[]>, missing?: readonly string[]): string {
  const counts = ([role]: [string, string[]]) => missing?.some((line) => line.split(/[\s,]+/).includes(role)) ?? true;
  const reasons = Object.entries(failures)
    .filter(counts)
    .map(([role, messages]) => `${role}: ${messages.join(", ")}`);
  return reasons.length > 0 ? ` CloudNativePG says: ${reasons.join("; ")}.` : "";
}
