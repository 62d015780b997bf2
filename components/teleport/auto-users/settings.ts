/**
 * Auto user provisioning: Teleport creates a PostgreSQL user for a person or an application at login, and disables it
 * afterwards. It does so as an admin user in the database, with procedures that it installs there at each login
 * (`initAutoUsers` and activate-user.sql of lib/srv/db/postgres, 13 to 18). Pure.
 */
import type { SettingProblem } from "../../problems";
import type { DatabaseAdminUser } from "../resources/database";
import { certificateRules } from "../../cnpg/pg-hba";
import { isKeyword, isReservedRole } from "../../cnpg/roles";
import { AUTO_USERS_ADMIN, checkDatabaseRoles } from "../resources/access-role";

/** Users that Teleport creates at login. */
export interface AutoUsers {
  /**
   * Existing PostgreSQL roles that these users may become members of. A role in Teleport selects among them with
   * `db_roles`. You can name roles of `users`, e.g. `teleport_user_read`. Note that `pg_read_all_data` also gives
   * access to password hashes. If a role in this list is a member of other roles, add those roles too: when a session
   * ends, Teleport revokes all memberships of the user, including indirect ones, and may do so only for roles in this
   * list.
   */
  roles: string[];
  /** Name of the admin user. Becomes `admin_user.name` of the database in Teleport. Default: `teleport_admin`. */
  adminUser?: string;
  /**
   * Database that the admin user logs in to. Becomes `default_database`; newer than Teleport 13. Default: the database that the
   * person requested.
   */
  defaultDatabase?: string;
}

/** The group of all users that Teleport creates (`teleportAutoUserRole`). pg_hba.conf names it. */
export const AUTO_USER_GROUP = "teleport-auto-user";

/** `admin_user` of the registered database. */
export function autoUsersAdmin({ adminUser = AUTO_USERS_ADMIN, defaultDatabase }: AutoUsers): DatabaseAdminUser {
  return { name: adminUser, ...(defaultDatabase === undefined ? {} : { defaultDatabase }) };
}

/**
 * Rules of pg_hba.conf: the admin user and the users that Teleport creates log in over TLS with a certificate of
 * their own name, and in no other way. PostgreSQL accepts a group that does not exist yet: it then has no members.
 */
export function autoUserHbaRules(settings: AutoUsers): string[] {
  return certificateRules([autoUsersAdmin(settings).name, `+${AUTO_USER_GROUP}`]);
}

/**
 * Returns every problem of the settings.
 *
 * @param taken PostgreSQL roles with another purpose: the owner, and the users that people log in as
 */
export function checkAutoUsers(setting: string, settings: AutoUsers, taken: readonly string[] = []): SettingProblem[] {
  const { name } = autoUsersAdmin(settings);
  const wrongName = (problem: string, fix: string) => [{ setting: `${setting}.adminUser`, value: name, problem, fix }];
  return [
    ...(settings.roles.length > 0
      ? []
      : [
          {
            setting: `${setting}.roles`,
            problem: "is empty, so the users would have no rights",
            fix: "Name PostgreSQL roles, e.g. teleport_user_read.",
          },
        ]),
    ...checkDatabaseRoles(`${setting}.roles`, settings.roles),
    ...settings.roles
      .filter((role, index) => [name, AUTO_USER_GROUP].includes(role) || settings.roles.indexOf(role) < index)
      .map((role) => ({
        setting: `${setting}.roles`,
        value: role,
        problem:
          settings.roles.indexOf(role) === settings.roles.lastIndexOf(role)
            ? "is reserved for Teleport"
            : "is a duplicate",
        fix: "Remove this role.",
      })),
    ...(/^[a-z_][a-z0-9_]{0,62}$/.test(name)
      ? []
      : wrongName(
          "is not a valid name in certificates, pg_hba.conf and SQL alike",
          "Use at most 63 lower-case letters, digits and underscores.",
        )),
    ...(isReservedRole(name) || isKeyword(name)
      ? wrongName("is reserved by PostgreSQL, CloudNativePG or this project", "Choose another name.")
      : []),
    ...(taken.includes(name)
      ? wrongName("is the owner, or a user that people log in as", "Choose a name that no other role has.")
      : []),
  ];
}
