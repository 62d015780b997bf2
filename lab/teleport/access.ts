/** The lab's roles and users in Teleport, as documents for `tctl create`. Pure. */
import { PROVISIONED_BY, registrarRole } from "../../components/teleport/program-roles";

/** Users that have an identity file. */
export const TELEPORT_USERS = ["registrar", "reader", "writer", "admin"];

const databases = Object.fromEntries(Object.entries(PROVISIONED_BY).map(([label, value]) => [label, [value]]));
const options = { max_session_ttl: "168h" };

const registrar = registrarRole();

/** A role that may log in to the lab's databases as one user, and nothing else. */
function databaseRole(name: string, databaseUser: string): object {
  return role(name, { db_labels: databases, db_names: ["*"], db_users: [databaseUser] });
}

/** A role for tests with access to everything. */
const administrator = role("lab-admin", {
  logins: ["root"],
  node_labels: { "*": ["*"] },
  db_labels: { "*": ["*"] },
  db_names: ["*"],
  db_users: ["*"],
  impersonate: { users: ["*"], roles: ["*"] },
  rules: [{ resources: ["*"], verbs: ["*"] }],
});

export const TELEPORT_DOCUMENTS: object[] = [
  registrar,
  databaseRole("lab-reader", "teleport_user_read"),
  databaseRole("lab-writer", "teleport_user_write"),
  administrator,
  user("registrar", [registrar.metadata.name]),
  user("reader", ["lab-reader"]),
  user("writer", ["lab-writer"]),
  user("admin", ["lab-admin", "editor", "access"]),
];

function role(name: string, allow: object): object {
  return { kind: "role", version: "v6", metadata: { name }, spec: { options, allow } };
}

function user(name: string, roles: string[]): object {
  return { kind: "user", version: "v2", metadata: { name }, spec: { roles } };
}
