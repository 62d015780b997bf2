/** The mounts of Vault that the databases of a configuration create and use. Pure. */
import { declaredRoles } from "../components/certificates/issuer";
import type { SettingProblem } from "../components/problems";
import { valueIfKnown, wrong } from "../components/value-check";
import type { VaultDatabasePlan } from "../components/vault-database/plan";
import type { DatabasePlan } from "./plan";

/** A secrets engine, or an auth method. */
interface Mount {
  kind: "mount" | "auth method";
  path: string;
  /** The setting that names it. */
  setting: string;
  /** Whether the program creates it. */
  isMade: boolean;
}

/** The mounts that a database names: for its users, and for its certificates. */
function mountsOf({ name, vaultDatabase, settings: { issuer } }: DatabasePlan): Mount[] {
  const at = `databases.${name}`;
  const { mount, auth } = vaultDatabase ?? {};
  const signing = (["server", "client"] as const).flatMap((use) =>
    issuer.type === "vault" ? declaredRoles(issuer[use]).map((role) => ({ use, path: valueIfKnown(role.mount) })) : [],
  );
  const all: (Omit<Mount, "path"> & { path?: string })[] = [
    {
      kind: "mount",
      path: valueIfKnown(mount?.path),
      setting: `${at}.vaultDatabase.mount.path`,
      isMade: !mount?.exists,
    },
    {
      kind: "auth method",
      path: valueIfKnown(auth?.path),
      setting: `${at}.vaultDatabase.kubernetesAuth.path`,
      isMade: auth?.make !== undefined,
    },
    ...signing.map(({ use, path }) => ({
      kind: "mount" as const,
      path,
      setting: `${at}.issuer.${use}.mount`,
      isMade: false,
    })),
  ];
  return all.flatMap(({ path, ...each }) => (path === undefined ? [] : [{ ...each, path }]));
}

/** Refuses to create a mount inside another one, or around it. Vault would refuse it: "path is already in use". */
export function checkNestedMounts(databases: Readonly<Record<string, DatabasePlan>>): SettingProblem[] {
  const all = Object.values(databases).flatMap(mountsOf);
  return all.flatMap((mount, index) => {
    const isNested = (other: Mount) =>
      other.kind === mount.kind &&
      (other.isMade || mount.isMade) &&
      (isInside(other.path, mount.path) || isInside(mount.path, other.path));
    const other = all.slice(0, index).find(isNested);
    if (!other) return [];
    const problem = `cannot exist together with the ${other.kind} ${other.path} of ${other.setting}: Vault does not allow one inside the other`;
    const fix = "Change one of the two paths, so that neither is below the other.";
    return wrong(mount.setting, mount.path, problem, fix);
  });
}

function isInside(path: string, other: string): boolean {
  return path.startsWith(`${other}/`);
}

/** Names of the databases of this configuration that create the mount and the auth method of another database. */
export interface Makers {
  mount?: string;
  kubernetesAuth?: string;
}

/** Finds the databases that create the mount and the auth method that a database uses and does not create itself. */
export function makersOf(databases: Readonly<Record<string, DatabasePlan>>, user: string): Makers {
  const { mount, auth } = databases[user]?.vaultDatabase ?? {};
  const maker = (isMaker: (other: VaultDatabasePlan) => boolean) =>
    Object.values(databases).find(({ vaultDatabase }) => vaultDatabase && isMaker(vaultDatabase))?.name;
  return {
    mount: mount?.exists ? maker(({ mount: its }) => !its.exists && its.path === mount.path) : undefined,
    kubernetesAuth:
      auth && !auth.make ? maker(({ auth: its }) => its?.make !== undefined && its.path === auth.path) : undefined,
  };
}

/** The databases, each after those that create its mounts. If two need each other, either comes first. */
export function makersFirst(databases: Readonly<Record<string, DatabasePlan>>): DatabasePlan[] {
  const sorted: DatabasePlan[] = [];
  const visited = new Set<DatabasePlan>();
  const visit = (database: DatabasePlan | undefined) => {
    if (!database || visited.has(database)) return;
    visited.add(database);
    const { mount, kubernetesAuth } = makersOf(databases, database.name);
    for (const maker of [mount, kubernetesAuth]) if (maker !== undefined) visit(databases[maker]);
    sorted.push(database);
  };
  Object.values(databases).forEach(visit);
  return sorted;
}
