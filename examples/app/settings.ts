/** What this stack is told and what the platform's stack says, checked. Pure. */
import type { PostgresClusterOutputs } from "cnpg-teleport";

/** The keys of `Pulumi.<env>.yaml`. */
export interface AppSettings {
  /** Name of the platform's stack, e.g. `acme/cnpg-teleport/prod`. */
  platform: string;
  /** Name of the database in the platform's configuration. */
  database: string;
  /** Namespace to run in. Default: the database's. */
  namespace?: string;
  /** Secret in that namespace with `username` and `password`. Default: the owner's, which is in the database's. */
  credentialsSecret?: string;
  /** Image with `psql` and a shell. Default: `postgres:17`. */
  image?: string;
  /** What it asks the database. Default: who it is there, and how the connection is encrypted. */
  query?: string;
  /** Seconds between two queries. Default: 10. */
  interval?: number;
}

/** Where the application runs, and what it connects to and how. */
export interface App {
  namespace: string;
  image: string;
  query: string;
  interval: number;
  host: string;
  port: number;
  database: string;
  credentialsSecret: string;
  /** PEM of the CA that signs the server's certificate. */
  serverCa: string;
}

const QUERY = "SELECT current_database(), current_user, version AS tls FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/**
 * @param databases the output `databases` of the platform's stack
 * @throws Error with every mistake found
 */
export function appOf(settings: AppSettings, databases: unknown): App {
  const { platform, namespace, credentialsSecret, interval = 10, query = QUERY } = settings;
  const problems: string[] = [];
  const database = databaseOf(settings, databases, problems);
  if (database && namespace !== undefined && namespace !== database.namespace && credentialsSecret === undefined) {
    problems.push(
      `namespace = ${namespace}: pods read Secrets of their own namespace only, and ${database.ownerSecret} is in ` +
        `${database.namespace}. Leave namespace out, or have the Secret copied (e.g. by External Secrets) and name ` +
        `the copy in credentialsSecret.`,
    );
  }
  if (!Number.isInteger(interval) || interval < 1 || interval > 3_600) {
    problems.push(`interval = ${interval}: is no number of seconds. Use a whole number from 1 to 3600.`);
  }
  if (query.trim() === "") problems.push("query: is empty. Write an SQL query, or leave it out.");
  if (!database || problems.length > 0) {
    throw new Error(
      [`The configuration does not fit the stack ${platform}:`, ...problems.map((text) => `  - ${text}`)].join("\n"),
    );
  }
  return {
    namespace: namespace ?? database.namespace,
    image: settings.image ?? "postgres:17",
    query,
    interval,
    host: database.hostReadWrite,
    port: database.port,
    database: database.database,
    credentialsSecret: credentialsSecret ?? database.ownerSecret,
    serverCa: database.serverCa,
  };
}

function databaseOf(
  { platform, database: name }: AppSettings,
  databases: unknown,
  problems: string[],
): PostgresClusterOutputs | undefined {
  if (databases === null || typeof databases !== "object") {
    problems.push(
      `platform = ${platform}: has no output "databases". Check the name (pulumi stack ls --all), and that it is up.`,
    );
    return undefined;
  }
  const known = databases as Record<string, PostgresClusterOutputs>;
  const found = Object.hasOwn(known, name) ? known[name] : undefined;
  if (!found) {
    const names = Object.keys(known).join(", ") || "none";
    problems.push(`database = ${name}: is not in ${platform}. Databases there: ${names}.`);
  }
  return found;
}
