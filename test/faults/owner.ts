/** Logs in as the owner of a database like an application: password, TLS, and verify-full with the given CA. */
import { attempt, CommandResult } from "../../lab/host/command";
import { kubectl } from "../lab/lab";
import { OpenSession } from "./open-session";

export interface Owner {
  /** Name that the certificate must have. */
  host: string;
  hostaddr: string;
  user: string;
  database: string;
  /** File with the CAs. */
  caFile: string;
  password: string;
}

/** The owner of the Cluster in the namespace of its name, at one of its Services. */
export async function ownerOf(cluster: string, service: string, caFile: string): Promise<Owner> {
  const of = (kind: string, name: string, path: string) =>
    kubectl("-n", cluster, "get", kind, name, "-o", `jsonpath={${path}}`);
  const [hostaddr, password, user] = await Promise.all([
    of("service", service, ".spec.clusterIP"),
    of("secret", `${cluster}-app`, ".data.password"),
    of("secret", `${cluster}-app`, ".data.username"),
  ]);
  const decoded = (text: string) => Buffer.from(text, "base64").toString("utf8");
  return {
    host: `${service}.${cluster}.svc`,
    hostaddr,
    user: decoded(user),
    database: "app",
    caFile,
    password: decoded(password),
  };
}

function address({ host, hostaddr, user, database, caFile }: Owner): string {
  return `host=${host} hostaddr=${hostaddr} port=5432 user=${user} dbname=${database} sslmode=verify-full sslrootcert=${caFile} connect_timeout=60`;
}

/** Time limit for commands that hang, also on a slow machine. */
const LIMIT_MS = 120_000;
const PSQL = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"];

/** Logs in for one query. */
export function logInAsOwner(owner: Owner, sql: string): Promise<CommandResult> {
  return attempt("psql", [...PSQL, "-c", sql, address(owner)], {
    env: { PGPASSWORD: owner.password },
    limit: LIMIT_MS,
  });
}

/** Opens a session and keeps it open. */
export function openSessionAsOwner(owner: Owner): OpenSession {
  return OpenSession.open(address(owner), { PGPASSWORD: owner.password });
}
