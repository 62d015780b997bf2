/** Configuration of Vault's agent beside an application: how it logs in, and what it writes. Pure. */
import type { CredentialsOutputs, VaultDatabaseOutputs } from "../vault-database/vault-database";

/** What is needed of the outputs of a VaultDatabase; `host` and `port` are where the application reaches the database. */
export type VaultAgentDatabase = Pick<
  VaultDatabaseOutputs,
  "connection" | "host" | "port" | "database" | "serverCa" | "roles"
>;

/**
 * A file with the credentials, and all else that it takes to connect. Each is written as a whole and then put in place
 * of the one before, so that a reader gets a user and its own password.
 *
 * - `service`: a connection service file of libpq, which is read at each new connection. Other drivers know it, too
 *   (pgx, psycopg, pgjdbc). Not a password file: the user changes with its password, so they must be in one file; and
 *   libpq ignores password files that a group may read.
 * - `json`: `host`, `port`, `database`, `user`, `password`, `sslmode`, `sslrootcert`.
 * - `env`: libpq's variables, quoted for a shell: `. "$DATABASE_ENV_FILE"`.
 */
export type CredentialsFile = "service" | "json" | "env";

/** The command runs in the agent's container, after the files are written: at the start too, before the application is. */
export type Reload =
  | { command: string[] }
  /**
   * A signal, e.g. `HUP`, to every process of that name (as /proc/<pid>/comm has it) in the pod. The pod's containers
   * then see each other's processes, and must run as one user: which lets the application read the agent's files.
   */
  | { signal: string; process: string };

/** What the agent does, besides who it is. */
export interface VaultAgentConfigurationSettings {
  /** Default: `[service]`. */
  files?: CredentialsFile[];
  /** Tells the application of new credentials. Default: none; it reads the file whenever it opens a connection. */
  reload?: Reload;
  /** Ends the credentials when the pod ends. Default: true. */
  revokeAtEnd?: boolean;
}

/** Folders and files as the containers see them, by the agent's name in its pod. */
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

/** The application and whoever is in the file's group; the folder is the pod's own. */
const PERMISSIONS = "0640";

/** Sends `$1` to every process called `$2`: no command for it is in all images of Vault. */
const SIGNAL_SCRIPT = `for comm in /proc/[0-9]*/comm; do
  read -r name < "$comm" || continue
  [ "$name" = "$2" ] || continue
  pid=\${comm#/proc/}
  kill -s "$1" "\${pid%/comm}" || true
done`;

/**
 * The content of `agent.json`. Vault's address, namespace and CAs are in the environment, where its command line finds
 * them as well.
 *
 * Nothing is set that the agent's defaults do: it renews credentials when about 70 % of their time is over, and fetches
 * new ones when they cannot be renewed any more, because `max_ttl` is near or somebody revoked them.
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
      // Without the wish to end it there is no need for the token to be anywhere.
      ...(revokeAtEnd ? { sink: [{ type: "file", config: { path: paths.token } }] } : {}),
    },
    // It ends where it gets no credentials, so that the pod shows it and Kubernetes starts it again.
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

/** Of a template of Vault's agent; what is not a word in it, checkVaultAgent refuses. */
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
