/** Settings of roles that this project makes for Vault and Teleport. Pure. */
import { doBlock, identifier, literal, textArray } from "./sql";

/**
 * They log in to databases whose owners may set anything for every session, and a setting of the role comes before that of
 * the database: so none of them can end, or change, what Vault or Teleport runs there. Values as PostgreSQL keeps them.
 */
const SETTINGS: Record<string, string> = {
  createrole_self_grant: "",
  default_transaction_deferrable: "off",
  default_transaction_isolation: "read committed",
  default_transaction_read_only: "off",
  exit_on_error: "off",
  idle_in_transaction_session_timeout: "0",
  idle_session_timeout: "0",
  lock_timeout: "30s",
  role: "none",
  standard_conforming_strings: "on",
  statement_timeout: "0",
  tcp_user_timeout: "0",
  transaction_timeout: "0",
};
/** Those that not every PostgreSQL has that is supported. */
const NEWER = ["createrole_self_grant", "transaction_timeout"]; // 16, 17
const SEARCH_PATH = ["pg_catalog", "pg_temp"];

/** Makes the settings of a role exactly these. */
export function roleSettingsScript(role: string): string {
  const name = identifier(role);
  const set = (key: string) => `ALTER ROLE ${name} SET ${key} = ${literal(SETTINGS[key] ?? "")};`;
  const everywhere = Object.keys(SETTINGS).filter((key) => !NEWER.includes(key));
  return [
    `ALTER ROLE ${name} RESET ALL;`,
    `ALTER ROLE ${name} SET search_path = ${SEARCH_PATH.join(", ")};`,
    ...everywhere.map(set),
    doBlock(`BEGIN
${NEWER.map((key) => `  IF ${exists(literal(key))} THEN ${set(key)} END IF;`).join("\n")}
END`),
  ].join("\n");
}

/** A line where they are not. */
export function roleSettingsDeviations(role: string): string {
  const wanted = Object.entries({ ...SETTINGS, search_path: SEARCH_PATH.join(", ") });
  const names = textArray(wanted.map(([key]) => key));
  const entries = textArray(wanted.map(([key, value]) => `${key}=${value}`));
  return `SELECT format('%s has not the settings that keep others from changing what it runs', rolname) FROM pg_roles r
WHERE rolname = ${literal(role)} AND (
  SELECT array_agg(entry ORDER BY entry) FROM pg_db_role_setting s, unnest(s.setconfig) entry
  WHERE s.setrole = r.oid AND s.setdatabase = 0
) IS DISTINCT FROM (
  SELECT array_agg(entry ORDER BY entry) FROM unnest(${names}, ${entries}) wanted (name, entry)
  WHERE name <> ALL (${textArray(NEWER)}) OR ${exists("wanted.name")}
);`;
}

function exists(setting: string): string {
  return `EXISTS (SELECT FROM pg_settings known WHERE known.name = ${setting})`;
}
