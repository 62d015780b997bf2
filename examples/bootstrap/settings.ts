/** What is created in Vault, and at which paths. Pure. */

/** The keys of `Pulumi.<env>.yaml`. All are optional. */
export interface BootstrapSettings {
  /** Mount of the root CA of the servers. Default: `pki_postgres_root`. */
  rootMount: string;
  /** Set it to true if the mount and its CA exist already. They are then only used to sign. Default: false. */
  rootExists: boolean;
  /** Mount of the intermediate CA that signs for servers. Default: `pki_postgres`. */
  serverMount: string;
  /** Mount of the CA that signs for `streaming_replica` and the pooler. Default: `pki_postgres_clients`. */
  clientMount: string;
  /** Mount that `serverMount` replaces. The login may also have requests signed there. Default: none. */
  formerServerMount?: string;
  /** Mount that `clientMount` replaces, like `formerServerMount`. Default: none. */
  formerClientMount?: string;
  /** Mount of the AppRole login. Default: `approle`. */
  approleMount: string;
  /** Set it to true if AppRole is already enabled there. Default: false, so this program enables it. */
  approleExists: boolean;
  /** Name of the policy and of the AppRole. Default: `cnpg-teleport`. */
  name: string;
  /** Also sign for Poolers with `authentication: explicit`, whose role reads password hashes. Default: false. */
  explicitPoolers: boolean;
  /** The CAs are for the certificates of the backup plugin (`BackupPluginCertificates`), not for databases. Default: false. */
  backupPlugin: boolean;
  /** Refuse to destroy anything, because the keys of the CAs exist only in Vault. Default: true. */
  protect: boolean;
}

/** Names of the roles in their mounts. */
export const ROLES = { server: "server", client: "client" };

/** The names in certificates of the client role: the users of instances and poolers, or the operator as the plugin's client. */
export function clients({ explicitPoolers, backupPlugin }: BootstrapSettings): string[] {
  if (backupPlugin) return ["barman-cloud-client"];
  return ["streaming_replica", "cnpg_pooler_pgbouncer", ...(explicitPoolers ? ["pooler_authentication"] : [])];
}

/** @throws Error with every mistake found */
export function checked(settings: BootstrapSettings): BootstrapSettings {
  const { rootMount, serverMount, clientMount, formerServerMount, formerClientMount, approleMount, name } = settings;
  const paths = { rootMount, serverMount, clientMount, formerServerMount, formerClientMount, approleMount };
  const problems = Object.entries(paths)
    .filter(([, path]) => path !== undefined && !/^[\w-]+(\/[\w-]+)*$/.test(path))
    .map(
      ([key, path]) =>
        `${key} = ${path}: is not a valid path of a mount. Use letters, digits, hyphens and underscores, without a slash at either end.`,
    );
  if (!/^[\w-]+$/.test(name)) problems.push(`name = ${name}: use letters, digits, hyphens and underscores only.`);
  if (new Set([rootMount, serverMount, clientMount]).size < 3) {
    problems.push("rootMount, serverMount, clientMount: each CA needs its own mount. Write different paths.");
  }
  if (problems.length > 0) {
    throw new Error(["The configuration has mistakes:", ...problems.map((text) => `  - ${text}`)].join("\n"));
  }
  return settings;
}

/**
 * The program's policy. It allows the program to have requests signed, also by the CAs that these replace. It allows the
 * program to read the mounts, because @pulumi/vault reads them in every `refresh` (since 5.0). And it allows the program
 * to read the roles, so that a preview can say why Vault would refuse to sign.
 */
export function policy(settings: BootstrapSettings): string {
  const { serverMount, clientMount, formerServerMount, formerClientMount } = settings;
  const mounts = [
    [serverMount, ROLES.server],
    [clientMount, ROLES.client],
    [formerServerMount, ROLES.server],
    [formerClientMount, ROLES.client],
  ];
  const rules = mounts
    .filter(([mount]) => mount !== undefined)
    .flatMap(([mount, role]) => [
      `path "${mount}/sign/${role}" { capabilities = ["update"] }\n`,
      `path "${mount}/roles/${role}" { capabilities = ["read"] }\n`,
      `path "sys/mounts/${mount}" { capabilities = ["read"] }\n`,
    ]);
  return [...new Set(rules)].join("");
}
