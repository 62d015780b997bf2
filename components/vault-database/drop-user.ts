/** The function that drops a user. Vault's own user calls it. Pure. */
import { dollarQuoted, identifier, literal } from "../postgres/sql";
import { newOwnerOf } from "./function-text";
import type { VaultUserNames } from "./settings";
import { isUser } from "./vault-users";

/**
 * The function closes a user's sessions, prevents new logins, reassigns the user's objects to its group, and drops
 * the user. Objects in another database, or a lock that another session holds, can prevent the drop. Then the user
 * stays without login and rights, and the next `up` drops it.
 *
 * The function closes the sessions first: a session that has changed its own role (every user may do that) and has
 * not committed would block the drop for as long as the session lasts. It also makes Vault's user a member of the
 * user again: before PostgreSQL 16 a user can revoke that membership, which is needed to close its sessions.
 *
 * A login that was in progress while the sessions were closed is closed by the second call of pg_terminate_backend. A
 * login that even this call misses has no rights, since its memberships are gone.
 */
export function dropUserFunction(names: VaultUserNames): string {
  return `CREATE FUNCTION ${identifier(names.schema)}.end_user(account name) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS ${dollarQuoted(
    `
DECLARE
  heir name;
  item name;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = account) THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles u WHERE rolname = account AND ${isUser("u.oid", names)}) THEN
    RAISE EXCEPTION '% is no user that Vault made', account;
  END IF;
  heir := ${newOwnerOf("account", names)};
  IF NOT pg_has_role(account, 'MEMBER') THEN
    EXECUTE format('GRANT %I TO %I', account, current_user);
  END IF;
  FOR attempt IN 1 .. 5 LOOP
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = account;
    PERFORM pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = account;
    BEGIN
      PERFORM set_config('lock_timeout', '2s', true);
      EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', account);
      EXIT;
    EXCEPTION WHEN lock_not_available OR internal_error THEN
      IF attempt = 5 THEN
        RAISE;
      END IF;
    END;
  END LOOP;
  PERFORM set_config('lock_timeout', '10s', true);
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = account;
  PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = account;
  BEGIN
    IF heir IS NOT NULL THEN
      EXECUTE format('REASSIGN OWNED BY %I TO %I', account, heir);
    ELSIF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
      AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = account)) THEN
      RAISE EXCEPTION 'what it owns has no heir';
    END IF;
    EXECUTE format('DROP OWNED BY %I', account);
    EXECUTE format('DROP ROLE %I', account);
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '% was shut out, but not dropped: %', account, SQLERRM;
    FOR item IN SELECT pg_get_userbyid(roleid) FROM pg_auth_members
      WHERE pg_get_userbyid(member) = account AND pg_get_userbyid(roleid) <> ${literal(names.users)}
    LOOP
      BEGIN
        EXECUTE format('REVOKE %I FROM %I', item, account);
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING '% stays a member of %: %', account, item, SQLERRM;
      END;
    END LOOP;
  END;
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = account;
END
`,
    "body",
  )};`;
}
