/** The PostgreSQL roles of people who come through Teleport, as CNPG's managed roles. Pure. */
import { SettingProblem } from "../settings";

/** What a user may do with the data of the whole instance. */
export type Access = "read" | "write";

/** A PostgreSQL role that Teleport users log in as, with a certificate and never with a password. */
export interface TeleportUser {
  /** Name of the role; letters, digits and underscores. */
  name: string;
  access: Access;
  /** Connections at once. Default: 20. */
  connectionLimit?: number;
}

/** A reader and a writer. */
export const DEFAULT_USERS: readonly TeleportUser[] = [
  { name: "teleport_user_read", access: "read" },
  { name: "teleport_user_write", access: "write" },
];

const DEFAULT_CONNECTION_LIMIT = 20;
const ROLE_NAME = /^[a-z_][a-z0-9_]{0,62}$/;
/** PostgreSQL's superuser and roles that CNPG and PostgreSQL reserve: a Teleport CA must never open them. */
const RESERVED = /^(postgres|streaming_replica|cnpg_.*|pg_.*|all|replication|sameuser|samerole|samegroup)$/;

/** PostgreSQL's predefined roles hold these rights for every table, those made later included. */
const MEMBERSHIPS: Record<Access, string[]> = {
  read: ["pg_read_all_data"],
  write: ["pg_read_all_data", "pg_write_all_data"],
};

/** A role of `spec.managed.roles`, which CNPG keeps as declared. */
export interface ManagedRole {
  name: string;
  ensure: "present";
  comment: string;
  login: true;
  inherit: true;
  connectionLimit: number;
  disablePassword: true;
  inRoles: string[];
}

export function managedRoles(users: readonly TeleportUser[]): ManagedRole[] {
  return users.map(({ name, access, connectionLimit }) => ({
    name,
    ensure: "present",
    comment: `People through Teleport: ${access}`,
    login: true,
    inherit: true,
    connectionLimit: connectionLimit ?? DEFAULT_CONNECTION_LIMIT,
    disablePassword: true,
    inRoles: MEMBERSHIPS[access],
  }));
}

/** Checks Teleport's users against each other and against the owner of the database. */
export function checkUsers(setting: string, users: readonly TeleportUser[], owner: string): SettingProblem[] {
  return users.flatMap((user, index) => checkUser(`${setting}[${index}]`, user, users.slice(0, index), owner));
}

function checkUser(
  setting: string,
  user: TeleportUser,
  before: readonly TeleportUser[],
  owner: string,
): SettingProblem[] {
  const wrong = (field: keyof TeleportUser, problem: string, fix: string): SettingProblem[] => [
    { setting: `${setting}.${field}`, value: user[field], problem, fix },
  ];
  const limit = user.connectionLimit ?? DEFAULT_CONNECTION_LIMIT;
  return [
    ...(ROLE_NAME.test(user.name)
      ? []
      : wrong(
          "name",
          "is no plain PostgreSQL role name",
          "Use at most 63 lower-case letters, digits and underscores, not beginning with a digit.",
        )),
    ...(RESERVED.test(user.name)
      ? wrong("name", "is reserved by PostgreSQL or CloudNativePG", "Choose another name.")
      : []),
    ...(user.name === owner
      ? wrong("name", "is the owner of the database, who logs in otherwise", "Choose another name.")
      : []),
    ...(before.some(({ name }) => name === user.name) ? wrong("name", "is there twice", "Remove one of the two.") : []),
    ...(Number.isInteger(limit) && (limit === -1 || limit > 0)
      ? []
      : wrong("connectionLimit", "is no number of connections", "Use a whole number above 0, or -1 for no limit.")),
  ];
}
