/** Configuration of Vault's agent in an application's pod: how it logs in, and which files it writes. Pure. */
import type { CredentialsOutputs, VaultDatabaseOutputs } from "../vault-database/vault-database";

/**
 * The required outputs of a VaultDatabase. `host` and `port` are the address at which the application reaches the
 * database.
 */
export type VaultAgentDatabase = Pick<
  VaultDatabaseOutputs,
  "connection" | "host" | "port" | "database" | "serverCa" | "roles"
>;

/**
 * A file with the credentials and everything else that is needed to connect. Each file is written completely and then
 * replaces the former one, so a reader never gets a user with the password of another.
 *
 * - `service`: a connection service file of libpq, which reads it for each new connection. Other drivers support it too
 *   (pgx, psycopg, pgjdbc). It is not a password file: the user changes together with its password, so both must be in one
 *   file, and libpq ignores password files that a group may read.
 * - `json`: `host`, `port`, `database`, `user`, `password`, `sslmode`, `sslrootcert`.
 * - `env`: libpq's variables, quoted for a shell: `. "$DATABASE_ENV_FILE"`.
 */
export type CredentialsFile = "service" | "json" | "env";

/**
 * How the application learns of new credentials. The command runs in the agent's container after the files are
 * written. It also runs at the start, before the application runs.
 */
export type Reload =
  | { command: string[] }
  /**
   * A signal, e.g. `HUP`, to every process of that name (as in /proc/<pid>/comm) in the pod. The pod's containers
   * then share a process namespace and must run as the same user, so the application can read the agent's files.
   */
  | { signal: string; process: string };

/** Settings of the agent's files and credentials. */
export interface VaultAgentConfigurationSettings {
  /** Default: `[service]`. */
  files?: CredentialsFile[];
  /**
   * Notifies the application of new credentials. Default: no notification; the application reads the file whenever it
   * opens a connection.
   */
  reload?: Reload;
  /** Revoke the credentials when the pod ends. Default: true. */
  revokeAtEnd?: boolean;
}

/** Folders and files as the containers see them, for an agent of this name. */
export function vaultAgentPaths(name: string) {
  const credentials = `/var/run/cnpg-teleport/${name}`;
  const account = `/var/run/secrets/cnpg-teleport/${name}`;
  const scratch = `/tmp/${name}`;
  const serverCa = `/etc/cnpg-teleport/${name}`;
  return {
    credentials,
    files: {
      service: `${credentials}/pg_service.conf`,
      json: `${credentials}/credentials.json`,
      env: `${credentials}/credentials.env`,
    } satisfies Record<CredentialsFile, string>,
    account,
    accountToken: `${account}/token`,
    scratch,
    token: `${scratch}/token`,
    serverCa,
    serverCaFile: `${serverCa}/ca.crt`,
  };
}

/** Readable by the owner and the group of the file. The folder belongs to the pod. */
const PERMISSIONS = "0640";

/** Sends the signal `$1` to every process with the name `$2`. Not all images of Vault have a command for this. */
const SIGNAL_SCRIPT = `for comm in /proc/[0-9]*/comm; do
  read -r name < "$comm" || continue
  [ "$name" = "$2" ] || continue
  pid=\${comm#/proc/}
  kill -s "$1" "\${pid%/comm}" || true
done`;

/**
 * The content of `agent.json`. Vault's address, namespace and CAs are in the environment, where Vault's command line
 * finds them as well.
 *
 * The agent's defaults are not repeated here: it renews credentials after about 70 % of their lifetime, and requests
 * new ones when they cannot be renewed, because `max_ttl` is near or they were revoked.
 */
export function vaultAgentConfiguration(
  database: VaultAgentDatabase,
  role: CredentialsOutputs & Required<Pick<CredentialsOutputs, "login">>,
  name: string,
  settings: VaultAgentConfigurationSettings,
): string {
  const { files = ["service"], reload, revokeAtEnd = true } = settings;
  const paths = vaultAgentPaths(name);
  const command = reload && reloadCommand(reload);
  const document = {
    auto_auth: {
      method: {
        type: "kubernetes",
        mount_path: `auth/${role.login.mount}`,
        config: { role: role.login.role, token_path: paths.accountToken },
      },
      // The token is written to a file only if it is revoked at the end.
      ...(revokeAtEnd ? { sink: [{ type: "file", config: { path: paths.token } }] } : {}),
    },
    // The agent exits if it gets no credentials, so that the pod shows the failure and Kubernetes restarts the agent.
    template_config: { exit_on_retry_failure: true },
    template: files.map((file) => ({
      contents: `{{ with secret "${role.path}" }}${contents(file, database, paths.serverCaFile)}{{ end }}`,
      destination: paths.files[file],
      perms: PERMISSIONS,
      error_on_missing_key: true,
      ...(command ? { exec: { command } } : {}),
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function reloadCommand(reload: Reload): string[] {
  return "command" in reload
    ? reload.command
    : ["sh", "-c", SIGNAL_SCRIPT, "reload", reload.signal.replace(/^SIG/, ""), reload.process];
}

/** The content of a file, as a template of Vault's agent. checkVaultAgent refuses values that have a meaning in it. */
function contents(file: CredentialsFile, { connection, host, port, database }: VaultAgentDatabase, ca: string): string {
  const [user, password] = ["{{ .Data.username }}", "{{ .Data.password }}"];
  switch (file) {
    case "service":
      return lines(`[${connection}]`, {
        host,
        port,
        dbname: database,
        user,
        password,
        sslmode: "verify-full",
        sslrootcert: ca,
      });
    case "json": {
      const known = JSON.stringify({ host, port, database, sslmode: "verify-full", sslrootcert: ca }).slice(0, -1);
      return `${known},"user":{{ .Data.username | toJSON }},"password":{{ .Data.password | toJSON }}}\n`;
    }
    case "env": {
      const quoted = `{{ .Data.password | replaceAll "'" "'\\\\''" }}`;
      return lines("# For a shell.", {
        "export PGHOST": `'${host}'`,
        "export PGPORT": `'${port}'`,
        "export PGDATABASE": `'${database}'`,
        "export PGUSER": `'${user}'`,
        "export PGPASSWORD": `'${quoted}'`,
        "export PGSSLMODE": "'verify-full'",
        "export PGSSLROOTCERT": `'${ca}'`,
      });
    }
  }
}

function lines(first: string, values: Record<string, string | number>): string {
  return `${[first, ...Object.entries(values).map(([key, value]) => `${key}=${value}`)].join("\n")}\n`;
}
