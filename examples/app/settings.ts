/** The settings of this stack. Pure. */
import type { TbotPodSettings } from "cnpg-teleport";

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
   * - `secret`: with the owner's password, from a Secret.
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
  /** `tbot`: generation of tbot in the image: 13, 15 or 17. `TbotPodSettings` describes them. Default: 17. */
  tbotGeneration?: TbotPodSettings["generation"];
  /** `vault`: role in Vault. Default: the only role with which an application can log in. */
  vaultRole?: string;
  /** `vault`: URL at which the pods reach Vault. */
  vaultAddress?: string;
  /** `vault`: namespace in Vault Enterprise. */
  vaultNamespace?: string;
  /**
   * Image of the sidecar. For `vault`, the default is `hashicorp/vault:1.21`. Required for `tbot`: an image with tbot in
   * the version of your Teleport cluster, or older.
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
