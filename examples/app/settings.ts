/** What this stack is told and what the platform's stack says, checked. Pure. */
import type { TbotPodSettings } from "cnpg-teleport";
import { Access, accessOf, isAccess, PlatformOutputs, WAYS } from "./access";

/** The keys of `Pulumi.<env>.yaml`. */
export interface AppSettings {
  /** Name of the platform's stack, e.g. `acme/cnpg-teleport/prod`. */
  platform: string;
  /** Name of the database in the platform's configuration; for `access: tbot`, the application's own name for it. */
  database: string;
  /**
   * How it gets at the database. Default: `secret`.
   *
   * - `secret`: with the owner's password, which is in a Secret.
   * - `tbot`: through Teleport, with a certificate that its pod gets by proving who it is.
   * - `vault`: as a user that Vault makes for it, by its service account, and removes again.
   */
  access?: string;
  /** Namespace to run in. Default: the database's, or the one from which the platform lets it in. */
  namespace?: string;
  /** `secret`: the one in that namespace with `username` and `password`. Default: the owner's, in the database's. */
  credentialsSecret?: string;
  /** `tbot`: name of the application in the platform's configuration. */
  application?: string;
  /** `tbot`: which tbot the image has: 13, 15 or 17; see the library. Default: 17. */
  tbotGeneration?: TbotPodSettings["generation"];
  /** `vault`: role in Vault. Default: the only one that an application can log in for. */
  vaultRole?: string;
  /** `vault`: URL of Vault as the pods reach it. */
  vaultAddress?: string;
  /** `vault`: namespace in Vault Enterprise. */
  vaultNamespace?: string;
  /** Image of the sidecar. Default: `hashicorp/vault:1.21`; for `tbot` there is none: name your Teleport's version. */
  sidecarImage?: string;
  /** PEM of the CA that signed Vault's certificate, or that of Teleport's proxy. Default: the sidecar image's. */
  trustedCa?: string;
  /** Image with `psql` and a shell. Default: `postgres:17`. */
  image?: string;
  /** What it asks the database. Default: who it is there, and how the connection is encrypted. */
  query?: string;
  /** Seconds between two queries. Default: 10. */
  interval?: number;
}

/** Where the application runs, what it does, and how it gets at its database. */
export interface App {
  namespace: string;
  image: string;
  query: string;
  interval: number;
  access: Access;
}

const QUERY = "SELECT current_database(), current_user, version AS tls FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/**
 * @param outputs of the platform's stack
 * @throws Error with every mistake found
 */
export function appOf(settings: AppSettings, outputs: PlatformOutputs): App {
  const { platform, access: way = "secret", interval = 10, query = QUERY } = settings;
  const problems: string[] = [];
  const found = isAccess(way) ? accessOf(way, settings, outputs, problems) : undefined;
  if (!isAccess(way)) problems.push(`access = ${way}: is no way. Use one of ${WAYS.join(", ")}.`);
  if (!Number.isInteger(interval) || interval < 1 || interval > 3_600) {
    problems.push(`interval = ${interval}: is no number of seconds. Use a whole number from 1 to 3600.`);
  }
  if (query.trim() === "") problems.push("query: is empty. Write an SQL query, or leave it out.");
  if (!found || problems.length > 0) {
    throw new Error(
      [`The configuration does not fit the stack ${platform}:`, ...problems.map((text) => `  - ${text}`)].join("\n"),
    );
  }
  return { ...found, image: settings.image ?? "postgres:17", query, interval };
}
