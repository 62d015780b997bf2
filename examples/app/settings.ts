/** The settings of this stack and the outputs of the platform's stack, checked. Pure. */
import type { TbotPodSettings } from "cnpg-teleport";
import { Access, accessOf, isAccess, PlatformOutputs, WAYS } from "./access";

/** The keys of `Pulumi.<env>.yaml`. */
export interface AppSettings {
  /** Name of the platform's stack, e.g. `acme/cnpg-teleport/prod`. */
  platform: string;
  /**
   * Name of the database in the platform's configuration. For `access: tbot`, the application's own name for the
   * database.
   */
  database: string;
  /**
   * How the application reaches the database. Default: `secret`.
   *
   * - `secret`: with the owner's password, which is in a Secret.
   * - `tbot`: through Teleport, with a certificate that the pod gets by proving its identity.
   * - `vault`: as a user that Vault creates for the application's service account, and drops again.
   */
  access?: string;
  /** Namespace of the application. Default: the database's, or the one to which the platform gives access. */
  namespace?: string;
  /**
   * `secret`: Secret in that namespace with `username` and `password`. Default: the owner's, in the database's
   * namespace.
   */
  credentialsSecret?: string;
  /** `tbot`: name of the application in the platform's configuration. */
  application?: string;
  /** `tbot`: generation of tbot in the image: 13, 15 or 17; see the library. Default: 17. */
  tbotGeneration?: TbotPodSettings["generation"];
  /** `vault`: role in Vault. Default: the only role with which an application can log in. */
  vaultRole?: string;
  /** `vault`: URL at which the pods reach Vault. */
  vaultAddress?: string;
  /** `vault`: namespace in Vault Enterprise. */
  vaultNamespace?: string;
  /**
   * Image of the sidecar. Default: `hashicorp/vault:1.21`. Required for `tbot`: an image in your Teleport's version.
   */
  sidecarImage?: string;
  /**
   * CA, in PEM, that signed the certificate of Vault or of Teleport's proxy. Default: the CAs of the sidecar's image.
   */
  trustedCa?: string;
  /** Image with `psql` and a shell. Default: `postgres:17`. */
  image?: string;
  /** The query. Default: a query that returns the database, the user, and the TLS version of the connection. */
  query?: string;
  /** Seconds between two queries. Default: 10. */
  interval?: number;
}

/** Where the application runs, what it does, and how it reaches its database. */
export interface App {
  namespace: string;
  image: string;
  query: string;
  interval: number;
  access: Access;
}

const QUERY = "SELECT current_database(), current_user, version AS tls FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/**
 * @param outputs outputs of the platform's stack
 * @throws Error with every mistake found
 */
export function appOf(settings: AppSettings, outputs: PlatformOutputs): App {
  const { platform, access: way = "secret", interval = 10, query = QUERY } = settings;
  const problems: string[] = [];
  const found = isAccess(way) ? accessOf(way, settings, outputs, problems) : undefined;
  if (!isAccess(way)) problems.push(`access = ${way}: is not supported. Use one of ${WAYS.join(", ")}.`);
  if (!Number.isInteger(interval) || interval < 1 || interval > 3_600) {
    problems.push(`interval = ${interval}: must be a number of seconds. Use a whole number from 1 to 3600.`);
  }
  if (query.trim() === "") problems.push("query: must not be empty. Write an SQL query, or remove the setting.");
  if (!found || problems.length > 0) {
    throw new Error(
      [`The configuration does not fit the stack ${platform}:`, ...problems.map((text) => `  - ${text}`)].join("\n"),
    );
  }
  return { ...found, image: settings.image ?? "postgres:17", query, interval };
}
