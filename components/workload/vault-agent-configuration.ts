/**
 * Configuration of Vault's agent in an application's pod: how it logs in, which files it writes, and the checks of its
 * settings. Pure.
 */
import type { CredentialsOutputs, VaultDatabaseOutputs } from "../vault-database/settings";
import type { SettingProblem } from "../problems";

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

/** The part of the settings that is checked. */
export interface CheckedVaultAgent {
  name: string;
  address: string;
  files?: CredentialsFile[];
  reload?: Reload;
  runAsUser?: number;
}

/** The name becomes part of names of volumes and containers: DNS labels of at most 63 characters. */
const NAME = /^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$/;
/**
 * These values are written into files of several formats and into a template. They must not contain characters that
 * have a meaning there.
 */
const WORD = /^[^\s{}'"\\[\]#$`]+$/;
const FILES: readonly string[] = ["service", "json", "env"] satisfies CredentialsFile[];

/** Returns every problem. */
export function checkVaultAgent(database: VaultAgentDatabase, role: string, settings: CheckedVaultAgent) {
  const { name, address, files, reload, runAsUser } = settings;
  return [
    ...checkRole(database, role),
    ...Object.entries({ host: database.host, database: database.database, connection: database.connection })
      .filter(([, value]) => !WORD.test(value))
      .map(([setting, value]) => ({
        setting,
        value,
        problem: "contains characters that have a meaning in a credentials file",
        fix: "Use a name without spaces, quotes, brackets, braces, backslashes and the characters # $ `.",
      })),
    ...(NAME.test(name)
      ? []
      : [
          {
            setting: "name",
            value: name,
            problem: "is not a valid name of the agent",
            fix: "Use at most 20 lower-case letters, digits and hyphens, beginning with a letter.",
          },
        ]),
    ...(isHttps(address)
      ? []
      : [
          {
            setting: "address",
            value: address,
            problem: "must be an https URL, because Vault's answers are secret",
            fix: "Write Vault's URL, e.g. https://vault.example.com:8200.",
          },
        ]),
    ...checkFiles(files),
    ...(reload ? checkReload(reload) : []),
    ...(runAsUser === 0
      ? [
          {
            setting: "runAsUser",
            value: runAsUser,
            problem: "must not be root",
            fix: "Use the user that the application runs as.",
          },
        ]
      : []),
  ] satisfies SettingProblem[];
}

function checkRole({ roles, connection }: VaultAgentDatabase, role: string): SettingProblem[] {
  const found = Object.hasOwn(roles, role) ? roles[role] : undefined;
  if (!found) {
    const names = Object.keys(roles).join(", ") || "none";
    return [
      {
        setting: "role",
        value: role,
        problem: `is not a role of the connection ${connection} in Vault`,
        fix: `Use one of these: ${names}.`,
      },
    ];
  }
  if (found.login) return [];
  const fix = "Have the platform declare the application as the role's `consumer`: its namespace and service account.";
  return [{ setting: "role", value: role, problem: "has no consumer, so no application can log in with it", fix }];
}

function checkFiles(files: CredentialsFile[] = ["service"]): SettingProblem[] {
  const fix = `Use one or more of ${FILES.join(", ")}, each once.`;
  const isWrong =
    files.length === 0 || new Set(files).size < files.length || !files.every((file) => FILES.includes(file));
  return isWrong ? [{ setting: "files", value: files, problem: "is not a valid list of files", fix }] : [];
}

function checkReload(reload: Reload): SettingProblem[] {
  if ("command" in reload) {
    if (reload.command.length > 0) return [];
    return [
      { setting: "reload.command", value: [], problem: "must not be empty", fix: "Write a command, or remove reload." },
    ];
  }
  const { signal, process } = reload;
  const fix = "Write a name as `kill -l` prints it, e.g. HUP or USR1.";
  return [
    ...(/^(SIG)?[A-Z][A-Z0-9]+$/.test(signal)
      ? []
      : [{ setting: "reload.signal", value: signal, problem: "is not a valid name of a signal", fix }]),
    // The kernel keeps 15 bytes of a process's name.
    ...(process.length > 0 && Buffer.byteLength(process) <= 15
      ? []
      : [
          {
            setting: "reload.process",
            value: process,
            problem: "is not a valid name of a process",
            fix: "Write the name as `cat /proc/<pid>/comm` prints it, at most 15 bytes.",
          },
        ]),
  ];
}

function isHttps(address: string): boolean {
  return URL.canParse(address) && new URL(address).protocol === "https:";
}
