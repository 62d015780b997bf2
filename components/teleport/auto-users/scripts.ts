/**
 * The SQL behind auto user provisioning: the admin user and the group of its users, and the schema for Teleport's
 * procedures in each database. Pure.
 */
import { doBlock, identifier, literal } from "../../postgres/sql";
import { ONE_AT_A_TIME, OWN_MARK, PREAMBLE } from "../../postgres/grants";
import { UserAdmin, userAdminDriftQuery, userAdminScript } from "../../postgres/user-admin";
import { AUTO_USER_GROUP, AutoUsers, autoUsersAdmin } from "./settings";

/** The comment on the admin user. It distinguishes the admin user from someone else's role of the same name. */
export const MARK = `${OWN_MARK}makes users for Teleport`;
const IS_MARKED = `shobj_description(oid, 'pg_authid') = ${literal(MARK)}`;

/**
 * Creates the admin user and the group of its users. It runs as the superuser in the database `postgres`; running it
 * again corrects differences. Afterwards `autoUserDatabaseScript` must run in each database that people log in to.
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
${userAdminScript(admin, takeOverGrants(admin.name))}
COMMIT;`;
}

/** Teleport's admin user. It logs in by certificate, and does not inherit the roles that it grants. */
function userAdminOf(settings: AutoUsers): UserAdmin {
  return {
    name: autoUsersAdmin(settings).name,
    mark: MARK,
    belongsTo: "Teleport",
    otherName: "set autoUsers.adminUser to another name",
    inherits: false,
    group: AUTO_USER_GROUP,
    roles: settings.roles,
    users: "users that Teleport creates",
    otherRoles: "other autoUsers.roles",
    isUser: isAutoUser,
    isProvenUser: isAddedBySuperuser,
  };
}

/** Lists the users that Teleport created, and finally its admin user. */
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

/** Prints one line for each difference from what `autoUserScript` creates. */
export function autoUserDriftQuery(settings: AutoUsers): string {
  const { name } = autoUsersAdmin(settings);
  return `${PREAMBLE}
${userAdminDriftQuery(userAdminOf(settings))}
SELECT format('%s is a member of %s', ${literal(AUTO_USER_GROUP)}, pg_get_userbyid(roleid)) FROM pg_auth_members
WHERE pg_get_userbyid(member) = ${literal(AUTO_USER_GROUP)};
SELECT DISTINCT format('%s may not revoke %s from %s', ${literal(name)}, role, member) FROM ${grantsOfOthers(name)}
WHERE role <> ${literal(AUTO_USER_GROUP)};
SELECT format('%s is an admin user of earlier settings', rolname) FROM pg_roles
WHERE rolname <> ${literal(name)} AND ${IS_MARKED};`;
}

/** Each user would inherit every membership of the group. */
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
 * Since PostgreSQL 16 only the grantor of a membership can revoke it, and a grantor cannot be dropped while its
 * grants exist. So this script revokes what a former admin user granted. It also revokes the roles of users from
 * before an upgrade: their sessions have ended, and the upgrade made the superuser the grantor. Users that the former
 * admin user created stay in the group.
 */
function takeOverGrants(name: string): string {
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

/**
 * Memberships of Teleport's users that the admin user cannot revoke, and memberships that former admin users granted.
 */
function grantsOfOthers(name: string): string {
  return `(SELECT pg_get_userbyid(m.roleid) AS role, pg_get_userbyid(m.member) AS member, g.rolname AS grantor,
      EXISTS (SELECT FROM pg_auth_members made WHERE made.roleid = m.member AND made.member = g.oid AND made.admin_option) AS is_maker
    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.grantor
    WHERE current_setting('server_version_num')::int >= 160000 AND g.rolname <> ${literal(name)}
      AND (shobj_description(g.oid, 'pg_authid') = ${literal(MARK)}
        OR (${isAddedBySuperuser("m.member")} AND pg_get_userbyid(m.roleid) <> ${literal(AUTO_USER_GROUP)}))) of_others`;
}

/**
 * SQL for whether a superuser put the user into the group, as an upgrade does with existing users. The admin user
 * itself could put any role there.
 */
function isAddedBySuperuser(oid: string): string {
  return `(${isAutoUser(oid)} AND EXISTS (SELECT FROM pg_auth_members proof JOIN pg_roles by_whom ON by_whom.oid = proof.grantor
    WHERE proof.member = ${oid} AND pg_get_userbyid(proof.roleid) = ${literal(AUTO_USER_GROUP)} AND by_whom.rolsuper))`;
}

function isAutoUser(oid: string): string {
  return `EXISTS (SELECT FROM pg_auth_members g JOIN pg_roles member ON member.oid = g.member
    WHERE g.member = ${oid} AND pg_get_userbyid(g.roleid) = ${literal(AUTO_USER_GROUP)} AND NOT member.rolsuper
    AND member.oid >= 16384 AND coalesce(shobj_description(member.oid, 'pg_authid'), '') NOT LIKE ${literal(`${OWN_MARK}%`)})`;
}

/**
 * Creates a schema for Teleport's procedures in one database. The schema belongs to the admin user, and is the only
 * one in the admin user's `search_path` there. In `public`, the owner of the database could create procedures or
 * operators that are found before Teleport's, and so run code as the admin user. In a database without such a schema,
 * Teleport cannot create its procedures and nobody can log in. (Newer versions of Teleport use `pg_temp`.) A schema
 * that someone else created is refused, whatever it contains.
 */
export function autoUserDatabaseScript(settings: AutoUsers): string {
  const { name } = autoUsersAdmin(settings);
  const admin = literal(name);
  return `${PREAMBLE}
BEGIN;
${ONE_AT_A_TIME}
${doBlock(`DECLARE
  item record;
BEGIN
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), ${admin});
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${admin}) THEN
    EXECUTE format('CREATE SCHEMA %I AUTHORIZATION %I', ${admin}, ${admin});
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', ${admin}, ${literal(MARK)});
  ELSIF NOT EXISTS (SELECT FROM ${ownSchema(name)}) THEN
    RAISE EXCEPTION 'the schema % of the database % exists and was not created for Teleport; rename it, or set autoUsers.adminUser to another name',
      ${admin}, current_database();
  END IF;
  FOR item IN ${foreignObjects(name)} LOOP
    RAISE EXCEPTION 'the schema % of the database % contains %, which is not Teleport''s; move it, or drop it',
      ${admin}, current_database(), item.object;
  END LOOP;
  FOR item IN ${foreignRights(name)} LOOP
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %s CASCADE', ${admin}, item.grantee);
  END LOOP;
  EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET ALL', ${admin}, current_database());
  EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', ${admin}, current_database(), ${admin});
END`)}
COMMIT;`;
}

/**
 * Drops an admin user's schema, with Teleport's procedures, in one database. Must run in each database before the
 * admin user is dropped.
 */
export function dropAutoUserSchemaScript(admin: string): string {
  return `${PREAMBLE}
${doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN ${foreignObjects(admin)} LOOP
    RAISE EXCEPTION 'the schema % of the database % contains %, which is not Teleport''s; move it, or drop it',
      ${literal(admin)}, current_database(), item.object;
  END LOOP;
  IF EXISTS (SELECT FROM ${ownSchema(admin)}) THEN
    EXECUTE format('DROP SCHEMA %I CASCADE', ${literal(admin)});
  END IF;
END`)}`;
}

/** Prints one line for each difference from what `autoUserDatabaseScript` creates. */
export function autoUserDatabaseDriftQuery(settings: AutoUsers): string {
  const { name } = autoUsersAdmin(settings);
  return `${PREAMBLE}
SELECT format('%s has no schema of its own in %I', rolname, current_database()) FROM pg_roles
WHERE rolname = ${literal(name)} AND NOT EXISTS (SELECT FROM ${ownSchema(name)});
SELECT format('the schema of %s in %I contains %s', ${literal(name)}, current_database(), object) FROM (${foreignObjects(name)}) f;
SELECT format('%s has rights on the schema of %s in %I', grantee, ${literal(name)}, current_database())
FROM (${foreignRights(name)}) f;
SELECT format('%s has another search_path in %I', rolname, current_database()) FROM pg_roles r
WHERE rolname = ${literal(name)} AND (
  SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
  WHERE s.setrole = r.oid AND d.datname = current_database()
) IS DISTINCT FROM ARRAY['search_path=' || quote_ident(${literal(name)})];
SELECT format('%s may not connect to %I', rolname, current_database()) FROM pg_roles
WHERE rolname = ${literal(name)} AND NOT (has_database_privilege(rolname, current_database(), 'CONNECT')
  AND has_database_privilege(rolname, current_database(), 'TEMPORARY'));`;
}

/** The schema that this program created for an admin user, and no other schema of that name. */
function ownSchema(admin: string): string {
  return `pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner AND r.rolname = n.nspname
    WHERE n.nspname = ${literal(admin)} AND obj_description(n.oid, 'pg_namespace') = ${literal(MARK)}`;
}

/** Objects in the schema that do not belong to the admin user: they could be found instead of Teleport's procedures. */
function foreignObjects(admin: string): string {
  return `SELECT o.object FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner, LATERAL (
      SELECT oid::regprocedure::text AS object, proowner AS owner FROM pg_proc WHERE pronamespace = n.oid
      UNION ALL SELECT oid::regclass::text, relowner FROM pg_class WHERE relnamespace = n.oid
      UNION ALL SELECT oid::regtype::text, typowner FROM pg_type WHERE typnamespace = n.oid
      UNION ALL SELECT oid::regoperator::text, oprowner FROM pg_operator WHERE oprnamespace = n.oid
    ) o WHERE n.nspname = ${literal(admin)} AND r.rolname = n.nspname AND o.owner <> r.oid`;
}

function foreignRights(admin: string): string {
  return `SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
    FROM pg_namespace n, aclexplode(n.nspacl) acl WHERE n.nspname = ${literal(admin)} AND acl.grantee <> n.nspowner`;
}
