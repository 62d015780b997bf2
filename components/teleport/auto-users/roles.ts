/** The SQL behind auto user provisioning. Pure. */
import { doBlock, identifier, literal } from "../../postgres/sql";
import { ONE_AT_A_TIME, OWN_MARK, PREAMBLE } from "../../postgres/grants";
import { UserAdmin, userAdminDeviations, userAdminScript } from "../../postgres/user-admin";
import { AUTO_USER_GROUP, AutoUsers, autoUsersAdmin } from "./settings";

/** Tells the admin user from another's role of the same name. */
export const MARK = `${OWN_MARK}makes users for Teleport`;
const IS_MARKED = `shobj_description(oid, 'pg_authid') = ${literal(MARK)}`;

/**
 * Makes the admin user, and the group that its users will be in, as the superuser; run again, it puts right what differs.
 * In the database `postgres`; then `autoUserDatabaseScript` in each that people log in to.
 */
export function autoUserScript(settings: AutoUsers): string {
  const admin = userAdminOf(settings);
  return `${PREAMBLE}
BEGIN;
${ONE_AT_A_TIME}
${doBlock(`BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(AUTO_USER_GROUP)}) THEN
    CREATE ROLE ${identifier(AUTO_USER_GROUP)} NOLOGIN;
  END IF;
END`)}
${revokeOfGroup()}
${userAdminScript(admin, takeGrantsOver(admin.name))}
COMMIT;`;
}

/** Teleport's admin user: it logs in by certificate, and becomes none of the roles that it gives. */
function userAdminOf(settings: AutoUsers): UserAdmin {
  return {
    name: autoUsersAdmin(settings).name,
    mark: MARK,
    madeFor: "Teleport",
    otherName: "name another one by autoUsers.adminUser",
    inherits: false,
    group: AUTO_USER_GROUP,
    roles: settings.roles,
    users: "users that Teleport makes",
    otherRoles: "other autoUsers.roles",
    isUser: isAutoUser,
    isProvenUser: isProven,
  };
}

/** Lists the users that Teleport made, and at last its admin user. */
export function autoUserAccountsQuery(settings: AutoUsers): string {
  const name = literal(autoUsersAdmin(settings).name);
  return `${PREAMBLE}
SELECT rolname FROM pg_roles r
WHERE (rolname = ${name} AND ${IS_MARKED}) OR ${isAutoUser("r.oid")} ORDER BY rolname = ${name}, rolname;`;
}

/** Lists admin users of earlier settings. */
export function formerAdminsQuery(settings: AutoUsers): string {
  return `${PREAMBLE}
SELECT rolname FROM pg_roles WHERE rolname <> ${literal(autoUsersAdmin(settings).name)} AND ${IS_MARKED} ORDER BY rolname;`;
}

/** Says in a line each what differs from what `autoUserScript` makes. */
export function autoUserDeviationsQuery(settings: AutoUsers): string {
  const { name } = autoUsersAdmin(settings);
  return `${PREAMBLE}
${userAdminDeviations(userAdminOf(settings))}
SELECT format('%s is a member of %s', ${literal(AUTO_USER_GROUP)}, pg_get_userbyid(roleid)) FROM pg_auth_members
WHERE pg_get_userbyid(member) = ${literal(AUTO_USER_GROUP)};
SELECT DISTINCT format('%s may not take %s from %s', ${literal(name)}, role, member) FROM ${grantsOfOthers(name)}
WHERE role <> ${literal(AUTO_USER_GROUP)};
SELECT format('%s is an admin user of earlier settings', rolname) FROM pg_roles
WHERE rolname <> ${literal(name)} AND ${IS_MARKED};`;
}

/** Whatever the group is a member of, each of the users would be. */
function revokeOfGroup(): string {
  return doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN SELECT pg_get_userbyid(roleid) AS role, pg_get_userbyid(grantor) AS grantor FROM pg_auth_members
    WHERE pg_get_userbyid(member) = ${literal(AUTO_USER_GROUP)}
  LOOP
    EXECUTE format('REVOKE %I FROM %I GRANTED BY %I CASCADE', item.role, ${literal(AUTO_USER_GROUP)}, item.grantor);
  END LOOP;
END`);
}

/**
 * Since PostgreSQL 16 nobody but who granted a membership takes it back, and it holds back whoever granted it from being
 * dropped. What a former admin user granted ends here, and so do the roles of users of before an upgrade, whose sessions are
 * over: the upgrade makes them the superuser's grants. Users that the former admin user made stay in the group.
 */
function takeGrantsOver(name: string): string {
  return doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN SELECT * FROM ${grantsOfOthers(name)} LOOP
    IF item.role = ${literal(AUTO_USER_GROUP)} AND item.is_maker THEN
      EXECUTE format('GRANT %I TO %I', item.role, item.member);
    END IF;
    EXECUTE format('REVOKE %I FROM %I GRANTED BY %I CASCADE', item.role, item.member, item.grantor);
  END LOOP;
END`);
}

/** Memberships of Teleport's users that its admin user could not take back, and what former admin users granted. */
function grantsOfOthers(name: string): string {
  return `(SELECT pg_get_userbyid(m.roleid) AS role, pg_get_userbyid(m.member) AS member, g.rolname AS grantor,
      EXISTS (SELECT FROM pg_auth_members made WHERE made.roleid = m.member AND made.member = g.oid AND made.admin_option) AS is_maker
    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.grantor
    WHERE current_setting('server_version_num')::int >= 160000 AND g.rolname <> ${literal(name)}
      AND (shobj_description(g.oid, 'pg_authid') = ${literal(MARK)}
        OR (${isProven("m.member")} AND pg_get_userbyid(m.roleid) <> ${literal(AUTO_USER_GROUP)}))) of_others`;
}

/** Whether a superuser put it into the group, as an upgrade does with users of before: its admin user can put anybody there. */
function isProven(oid: string): string {
  return `(${isAutoUser(oid)} AND EXISTS (SELECT FROM pg_auth_members proof JOIN pg_roles by_whom ON by_whom.oid = proof.grantor
    WHERE proof.member = ${oid} AND pg_get_userbyid(proof.roleid) = ${literal(AUTO_USER_GROUP)} AND by_whom.rolsuper))`;
}

function isAutoUser(oid: string): string {
  return `EXISTS (SELECT FROM pg_auth_members g JOIN pg_roles member ON member.oid = g.member
    WHERE g.member = ${oid} AND pg_get_userbyid(g.roleid) = ${literal(AUTO_USER_GROUP)} AND NOT member.rolsuper
    AND member.oid >= 16384 AND coalesce(shobj_description(member.oid, 'pg_authid'), '') NOT LIKE ${literal(`${OWN_MARK}%`)})`;
}
