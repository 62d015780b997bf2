/** Checks the settings of Vault's agent before anything is created. Pure. */
import type { SettingProblem } from "../problems";
import type { CredentialsFile, Reload, VaultAgentDatabase } from "./vault-agent-configuration";

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
