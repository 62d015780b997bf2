/**
 * Auto user provisioning: Teleport makes a PostgreSQL user for a person, or for an application, at login, and disables it
 * afterwards. It does so as an admin user in the database, by procedures that it puts there itself at each login
 * (`initAutoUsers` and activate-user.sql of lib/srv/db/postgres, 13 to 18). Pure.
 */
import type { SettingProblem } from "../../problems";
import type { DatabaseAdminUser } from "../resources/database-document";
import { certificateRules } from "../../cnpg/pg-hba";
import { isKeyword, isReservedRole } from "../../cnpg/reserved-roles";
import { AUTO_USERS_ADMIN, checkDatabaseRoles } from "../resources/reserved-users";

/** Users that Teleport makes at login. */
export interface AutoUsers {
  /**
   * Existing PostgreSQL roles that these users may become members of. A role in Teleport chooses among them with
   * `db_roles`. You can name roles of `users`, e.g. `teleport_user_read`. Note that `pg_read_all_data` also gives access to
   * password hashes. If a role in this list is a member of other roles, add those roles as well: at the end, Teleport
   * removes all memberships of a user, also the indirect ones, and may do so only for roles in this list.
   */
  roles: string[];
  /** Name of the admin user. Becomes `admin_user.name` of the database in Teleport. Default: `teleport_admin`. */
  adminUser?: string;
  /** Database that the admin user logs in to. Becomes `default_database`; newer than Teleport 13. */
  defaultDatabase?: string;
}

/** The group of all users that Teleport makes (`teleportAutoUserRole`); pg_hba.conf names it. */
export const AUTO_USER_GROUP = "teleport-auto-user";

/** `admin_user` of the registered database. */
export function autoUsersAdmin({ adminUser = AUTO_USERS_ADMIN, defaultDatabase }: AutoUsers): DatabaseAdminUser {
  return { name: adminUser, ...(defaultDatabase === undefined ? {} : { defaultDatabase }) };
}

/**
 * Rules of pg_hba.conf: the admin user and the users that Teleport makes come over TLS with a certificate of their own
 * name, and in no other way. PostgreSQL takes a group that does not exist yet, and has no members of it.
 */
export function autoUserHbaRules(settings: AutoUsers): string[] {
  return certificateRules([autoUsersAdmin(settings).name, `+${AUTO_USER_GROUP}`]);
}

/**
 * All that is wrong with the settings.
 *
 * @param taken PostgreSQL roles that are something else: the owner, and those that people log in as
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
            problem: "is empty, so that the users could do nothing",
            fix: "Name PostgreSQL roles, e.g. teleport_user_read.",
          },
        ]),
    ...checkDatabaseRoles(`${setting}.roles`, settings.roles),
    ...settings.roles
      .filter((role, index) => [name, AUTO_USER_GROUP].includes(role) || settings.roles.indexOf(role) < index)
      .map((role) => ({
        setting: `${setting}.roles`,
        value: role,
        problem: settings.roles.indexOf(role) === settings.roles.lastIndexOf(role) ? "is Teleport's own" : "is twice",
        fix: "Remove it.",
      })),
    ...(/^[a-z_][a-z0-9_]{0,62}$/.test(name)
      ? []
      : wrongName(
          "is no name that is the same in certificates, in pg_hba.conf and in SQL",
          "Use lower-case letters, digits and underscores.",
        )),
    ...(isReservedRole(name) || isKeyword(name)
      ? wrongName("is reserved by PostgreSQL, CloudNativePG or this project", "Choose another name.")
      : []),
    ...(taken.includes(name)
      ? wrongName("is the owner, or a user that people log in as", "Choose a name that nothing else has.")
      : []),
  ];
}
