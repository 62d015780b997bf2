/** The settings of this stack. Pure. */
import type { TbotPodSettings } from "cnpg-teleport";

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
