/** DatabaseAccess: the rights of users in all databases of a Cluster. */
import { UsersAs, inlineRoles, TeleportUser } from "../cnpg/roles";
import { databaseRoleName } from "../cnpg/names";
import { PoolerAuthentication, POOLER_LOGINS } from "../cnpg/pooler";
import { KubernetesClient, kubernetesClient, KubernetesConnection, KubernetesObject } from "../kubernetes/client";
import { KubernetesError } from "../kubernetes/errors";
import { firstOf } from "../message-limits";
import { hasDrifted, ResourceKind } from "../dynamic/converge";
import { appliedObject } from "../cnpg/databases";
import { poll, progressOf } from "../waiting";
import { dropPoolerLoginScript, poolerLoginQuery, poolerLoginScript } from "./pooler-login";
import {
  findReadOnlyReason,
  ClusterReference,
  findCluster,
  MAINTENANCE_DATABASE,
  mustFindCluster,
  refuseImport,
  warnSkipped,
  sqlInPrimary,
  removeIfRunning,
} from "./psql";
import {
  accessScript,
  DATABASES_QUERY,
  driftQuery,
  dropOwnedScript,
  dropScript,
  existingRolesQuery,
  forbidLoginScript,
  missingRolesScript,
  restorePublicRightsScript,
  scopedDatabases,
  UNREACHABLE_DATABASES_QUERY,
} from "./grants";

/** Inputs of a DatabaseAccess, and its state. */
export interface AccessInputs extends KubernetesConnection, ClusterReference {
  /** The application's database. */
  database: string;
  users: TeleportUser[];
  /** How the users are declared to CloudNativePG. Default: `inline`. */
  usersAs?: UsersAs;
  /** Creates PgBouncer's roles, and the functions with which it looks up passwords. */
  poolerLogins?: PoolerAuthentication[];
  /** No instance runs (hibernation). Nothing can be done now; the next run after the hibernation does it. */
  suspended?: boolean;
}

/** The stored state. */
export interface AccessState extends AccessInputs {
  /** Roles that were removed from the declaration while no instance ran. */
  toRemove?: string[];
}

/**
 * `rolesWithin`: how long CNPG may take to create roles and memberships. `reasonsAfter`: after this time, CNPG's reason for a
 * failure counts as current; before, it may be from an earlier attempt. Rights are granted again at every fifth look.
 */
const TIMING = { rolesWithin: 120_000, reasonsAfter: 20_000, poll: 1_000, grantsAtEach: 5 };

/** The kind of resource. `connect` reaches Kubernetes. */
export function access(
  connect: (connection: KubernetesConnection) => Promise<KubernetesClient> = kubernetesClient,
  timing = TIMING,
): ResourceKind<AccessInputs, AccessState> {
  return {
    id: ({ namespace, cluster }) => `${namespace}/${cluster}`,

    /** Includes the context, because a later delete uses the context of the last `up`. */
    declared: ({ context, namespace, cluster, uid, database, users, ...rest }) => {
      const { usersAs = "inline", poolerLogins = [], suspended = false } = rest;
      return [context, namespace, cluster, uid, database, users, usersAs, poolerLogins, suspended];
    },

    async differs(news, olds) {
      if (news.suspended) return false;
      const unseen = `The rights in ${news.cluster} could not be checked, so they are assumed to be unchanged`;
      return hasDrifted(news.cluster, unseen, async () => {
        const kubernetes = await connect(news);
        if (await findReadOnlyReason(kubernetes, news)) return [];
        if (olds.toRemove?.length) return [`removed users still exist: ${olds.toRemove.join(", ")}`];
        return drift(kubernetes, news);
      });
    },

    async apply(inputs, olds) {
      const toRemove = olds ? removedRoles(olds, inputs) : [];
      if (await isStopped(inputs)) return olds ? { ...inputs, toRemove } : inputs;
      const left = await apply(inputs, toRemove);
      return left.length > 0 ? { ...inputs, toRemove: left } : inputs;
    },

    async read(state, id) {
      refuseImport(state, id);
      return (await findCluster(await connect(state), state)) && state;
    },

    async remove(state) {
      const kubernetes = await connect(state);
      // If the Cluster is gone or was replaced, its roles are gone too.
      if (!(await findCluster(kubernetes, state))) return;
      const names = [...rolesOf(state), ...(state.toRemove ?? [])];
      await removeIfRunning(kubernetes, state, names.join(", "), async () => {
        const declared = await rolesThatStay(kubernetes, state);
        await revokeRights(kubernetes, state, declared);
        await remove(
          kubernetes,
          state,
          names.filter((name) => !declared.includes(name)),
        );
        await restorePublicRights(kubernetes, state);
      });
    },
  };

  /** Whether the settings stop the Cluster, or somebody hibernated or fenced it. In the second case, prints a warning. */
  async function isStopped(inputs: AccessInputs): Promise<boolean> {
    if (inputs.suspended) return true;
    const reason = await findReadOnlyReason(await connect(inputs), inputs);
    if (reason !== undefined) warnSkipped(inputs, reason, "the rights of its users");
    return reason !== undefined;
  }

  /** Roles that stay because they are still declared, in the Cluster's spec or by DatabaseRoles. */
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

  /** Revokes the rights of users whose roles stay. */
  async function revokeRights(
    kubernetes: KubernetesClient,
    state: AccessState,
    stay: readonly string[],
  ): Promise<void> {
    const declared = state.users.filter(({ name }) => stay.includes(name));
    if (declared.length === 0) return;
    const users = declared.map((user) => ({ ...user, access: "none" as const }));
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, state, database, script);
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      await sql(database, accessScript({ ...state, users }, database));
  }

  /** Grants to PUBLIC again what an earlier release revoked. The state to delete may be from that release. */
  async function restorePublicRights(kubernetes: KubernetesClient, reference: AccessInputs): Promise<void> {
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, reference, database, script);
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY))
      await sql(database, restorePublicRightsScript());
  }

  /** Returns the roles that could not be dropped yet. */
  async function apply(inputs: AccessInputs, toRemove: readonly string[] = []): Promise<string[]> {
    const kubernetes = await connect(inputs);
    await untilRolesExist(kubernetes, inputs);
    const sql = (database: string, script: string) => sqlInPrimary(kubernetes, inputs, database, script);
    // PgBouncer's login first: this marks its schema, in which nobody gets rights.
    for (const login of inputs.poolerLogins ?? []) await sql(MAINTENANCE_DATABASE, poolerLoginScript(login));
    const databases = await databasesOf(kubernetes, inputs);
    for (const reason of await sql(MAINTENANCE_DATABASE, UNREACHABLE_DATABASES_QUERY))
      console.error(`${inputs.cluster}: ${reason}`);
    // Before the rights of the others: a new owner of the removed users' objects may get rights because of them.
    const left = await remove(kubernetes, inputs, toRemove);
    const grant = async (inDatabases: readonly string[]) => {
      const ends = inputs.users.map(({ name }) => name);
      for (const database of inDatabases)
        await sqlInPrimary(kubernetes, inputs, database, accessScript(inputs, database), { ends });
    };
    await grant(databases);
    let looks = 0;
    await until(kubernetes, inputs, async () => {
      // Since the last grant, owners may have changed, or objects may have been created.
      if (++looks % timing.grantsAtEach === 0) await grant(await databasesOf(kubernetes, inputs));
      return drift(kubernetes, inputs);
    });
    return left;
  }

  /** Every database, because rights must also be revoked in a database that is no longer declared. */
  async function databasesOf(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<string[]> {
    const found = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, DATABASES_QUERY);
    const missing = scopedDatabases(inputs).filter((database) => !found.includes(database));
    if (missing.length === 0) return found;
    throw new KubernetesError(
      "failed",
      `The database ${missing.join(", ")}, which users' scope names, does not exist in ${inputs.namespace}/${inputs.cluster}, or does not allow connections. Declare it in databases, or correct scope.`,
    );
  }

  async function drift(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<string[]> {
    const databases = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, DATABASES_QUERY);
    const found: string[] = [];
    for (const database of databases) {
      found.push(...(await sqlInPrimary(kubernetes, inputs, database, driftQuery(inputs, database))));
    }
    for (const login of inputs.poolerLogins ?? []) {
      found.push(...(await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, poolerLoginQuery(login))));
    }
    return found;
  }

  async function untilRolesExist(kubernetes: KubernetesClient, inputs: AccessInputs): Promise<void> {
    const names = inputs.users.map(({ name }) => name);
    if (inputs.poolerLogins?.includes("explicit")) names.push(POOLER_LOGINS.explicit.role);
    // If somebody drops an inline role manually, the operator creates it again. It recreates the role of a DatabaseRole
    // only when that object changes (CNPG 1.30).
    if (inputs.usersAs === "databaseRole")
      await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, missingRolesScript(names));
    await until(kubernetes, inputs, async () => {
      const found = await sqlInPrimary(kubernetes, inputs, MAINTENANCE_DATABASE, existingRolesQuery(names));
      return names.filter((name) => !found.includes(name)).map((name) => `the role ${name} does not exist`);
    });
  }

  /** Waits for the operator, which creates roles and memberships, and reports in the status what it cannot do. */
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

  /** Why the operator could not create roles as declared, by role. The Cluster's status is out of date for moved users. */
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

  /** Roles of the Cluster that somebody else's DatabaseRoles declare. None if they may not be listed. */
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
   * Forbids logins, revokes and reassigns everything, and drops the roles. Leaves roles alone that the Cluster now
   * declares for something else. Returns roles that stay, without login, because a database that allows no connections
   * refers to them.
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
    await sqlInPrimary(kubernetes, reference, MAINTENANCE_DATABASE, forbidLoginScript(names), { ends: names });
    for (const database of await sql(MAINTENANCE_DATABASE, DATABASES_QUERY)) {
      await sql(database, dropOwnedScript(names, reference.database));
    }
    for (const [login, { role }] of Object.entries(POOLER_LOGINS)) {
      if (names.includes(role)) await sql(MAINTENANCE_DATABASE, dropPoolerLoginScript(login as PoolerAuthentication));
    }
    await sql(MAINTENANCE_DATABASE, dropScript(names));
    const still = await sql(MAINTENANCE_DATABASE, existingRolesQuery(names));
    const left = names.filter((name) => still.includes(name));
    if (left.length > 0) {
      console.error(
        `${reference.cluster}: the removed user ${left.join(", ")} can no longer log in, but cannot be dropped: it still has objects ` +
          "or rights in a database that does not allow connections. Drop that database, or allow connections to it, and run `pulumi up` again.",
      );
    }
    return left;
  }
}

/** The roles of a DatabaseAccess. */
function rolesOf({ users, poolerLogins = [] }: AccessInputs): string[] {
  return [...users.map(({ name }) => name), ...poolerLogins.map((login) => POOLER_LOGINS[login].role)];
}

/**
 * Roles that are no longer declared. PgBouncer's roles stay until the whole resource is deleted: Poolers, also manual
 * ones, use them until they are changed, which is later.
 */
function removedRoles(before: AccessState, now: AccessInputs): string[] {
  if (before.uid !== now.uid) return [];
  const kept = rolesOf(now);
  const former = [...before.users.map(({ name }) => name), ...(before.toRemove ?? [])];
  return [...new Set(former)].filter((name) => !kept.includes(name));
}

/**
 * The operator's reasons for roles that are not as declared.
 *
 * @param missing the drift. If set, only reasons for roles in it are returned, because others may be out of date
 */
function reasonsOf(failures: Record<string, string[]>, missing?: readonly string[]): string {
  const counts = ([role]: [string, string[]]) => missing?.some((line) => line.split(/[\s,]+/).includes(role)) ?? true;
  const reasons = Object.entries(failures)
    .filter(counts)
    .map(([role, messages]) => `${role}: ${messages.join(", ")}`);
  return reasons.length > 0 ? ` CloudNativePG says: ${reasons.join("; ")}.` : "";
}
