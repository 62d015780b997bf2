/**
 * Attributes and memberships of a role that logs in by certificate. The operator sets them, and repairs manual changes of
 * inline roles. It does not repair the role of a DatabaseRole until that object changes (CNPG 1.30). Pure.
 */
import { DEFAULT_CONNECTION_LIMIT, memberships, TeleportUser } from "../cnpg/roles";
import { doBlock, identifier, literal, textArray } from "./sql";

/** Attributes that a role with a login by certificate never has, each with its column of pg_roles. */
const ABSENT = {
  SUPERUSER: "rolsuper",
  CREATEDB: "rolcreatedb",
  CREATEROLE: "rolcreaterole",
  REPLICATION: "rolreplication",
  BYPASSRLS: "rolbypassrls",
};

/** Whether a membership `m` lets the member make others members, or gives it no rights (PostgreSQL 16 and later). */
const OTHER_OPTIONS = `m.admin_option OR to_jsonb(m) ->> 'inherit_option' = 'false'`;

/**
 * Sets the declared attributes and memberships of an existing role. Skips groups that do not exist: attributeDrift
 * reports them.
 */
export function attributeScript(user: TeleportUser): string {
  const { name, connectionLimit = DEFAULT_CONNECTION_LIMIT } = user;
  const absent = Object.keys(ABSENT).map((attribute) => `NO${attribute}`);
  const wanted = textArray(memberships(user));
  const role = literal(name);
  // A role may give itself a password. No rule accepts the password, and the role must have none.
  return `ALTER ROLE ${identifier(name)} LOGIN INHERIT ${absent.join(" ")} CONNECTION LIMIT ${connectionLimit} PASSWORD NULL;
${doBlock(`DECLARE
  item record;
BEGIN
  FOR item IN SELECT r.rolname AS role, g.rolname AS grantor
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid LEFT JOIN pg_roles g ON g.oid = m.grantor
    WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = ${role}) AND (r.rolname <> ALL (${wanted}) OR ${OTHER_OPTIONS})
  LOOP
    -- Revoke as the grantor: from PostgreSQL 16 on, a superuser's REVOKE leaves what others granted. Before 16, the grantor
    -- may be gone.
    EXECUTE format('REVOKE %I FROM %I', item.role, ${role})
      || CASE WHEN item.grantor IS NULL THEN '' ELSE format(' GRANTED BY %I', item.grantor) END || ' CASCADE';
  END LOOP;
  FOR item IN SELECT rolname AS role FROM pg_roles r WHERE rolname = ANY (${wanted}) AND NOT EXISTS (
    SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND m.member = (SELECT oid FROM pg_roles WHERE rolname = ${role}))
  LOOP
    EXECUTE format('GRANT %I TO %I', item.role, ${role});
  END LOOP;
END`)}`;
}

/** Returns a line for each difference between a role and its declaration. */
export function attributeDrift(user: TeleportUser): string {
  const name = literal(user.name);
  const wanted = textArray(memberships(user));
  const absent = Object.entries(ABSENT).map(([attribute, column]) => `('${attribute}', ${column})`);
  return `SELECT format('the role %s does not exist', ${name})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${name});
SELECT format('%s may not log in', rolname) FROM pg_roles WHERE rolname = ${name} AND NOT rolcanlogin;
SELECT format('%s has a password', rolname) FROM pg_authid WHERE rolname = ${name} AND rolpassword IS NOT NULL;
SELECT format('%s has the attribute %s', rolname, attribute)
FROM pg_roles, LATERAL (VALUES ('NOINHERIT', NOT rolinherit), ${absent.join(", ")}) AS other (attribute, is_there)
WHERE rolname = ${name} AND is_there;
SELECT format('%s has a connection limit of %s', rolname, rolconnlimit)
FROM pg_roles WHERE rolname = ${name} AND rolconnlimit <> ${user.connectionLimit ?? DEFAULT_CONNECTION_LIMIT};
SELECT format('%s is not a member of %s', ${name}, wanted) FROM unnest(${wanted}) wanted
WHERE wanted NOT IN (
  SELECT pg_get_userbyid(roleid) FROM pg_auth_members WHERE member = (SELECT oid FROM pg_roles WHERE rolname = ${name}));
SELECT format('%s is a member of %s with options that are not declared', ${name}, pg_get_userbyid(m.roleid))
FROM pg_auth_members m
WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = ${name}) AND pg_get_userbyid(m.roleid) = ANY (${wanted})
  AND (${OTHER_OPTIONS});
SELECT format('%s is a member of %s', ${name}, pg_get_userbyid(roleid)) FROM pg_auth_members
WHERE member = (SELECT oid FROM pg_roles WHERE rolname = ${name}) AND pg_get_userbyid(roleid) <> ALL (${wanted});`;
}
