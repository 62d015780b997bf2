/** Checks of what Vault's agent is told, before anything is made. Pure. */
import type { SettingProblem } from "../problems";
import type { CredentialsFile, Reload, VaultAgentDatabase } from "./vault-agent-configuration";

/** What is checked of the settings. */
export interface CheckedVaultAgent {
  name: string;
  address: string;
  files?: CredentialsFile[];
  reload?: Reload;
  runAsUser?: number;
}

/** Part of names of volumes and containers: DNS labels of 63 characters. */
const NAME = /^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$/;
/** Stand in files of several kinds, and in a template: nothing that means something in any. */
const WORD = /^[^\s{}'"\\[\]#$`]+$/;
const FILES: readonly string[] = ["service", "json", "env"] satisfies CredentialsFile[];

/** All that is wrong. */
export function checkVaultAgent(database: VaultAgentDatabase, role: string, settings: CheckedVaultAgent) {
  const { name, address, files, reload, runAsUser } = settings;
  return [
    ...checkRole(database, role),
    ...Object.entries({ host: database.host, database: database.database, connection: database.connection })
      .filter(([, value]) => !WORD.test(value))
      .map(([setting, value]) => ({
        setting,
        value,
        problem: "has characters that mean something in a file of credentials",
        fix: "Use a name without spaces, quotes, brackets and braces.",
      })),
    ...(NAME.test(name)
      ? []
      : [
          {
            setting: "name",
            value: name,
            problem: "is no name for the agent",
            fix: "Use at most 20 lower-case letters, digits and hyphens, beginning with a letter.",
          },
        ]),
    ...(isHttps(address)
      ? []
      : [
          {
            setting: "address",
            value: address,
            problem: "is no https URL",
            fix: "Write Vault's, e.g. https://vault.example.com:8200: what it answers is secret.",
          },
        ]),
    ...checkFiles(files),
    ...(reload ? checkReload(reload) : []),
    ...(runAsUser === 0
      ? [
          {
            setting: "runAsUser",
            value: runAsUser,
            problem: "is root",
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
        problem: `is none of ${connection} in Vault`,
        fix: `Use one of these: ${names}.`,
      },
    ];
  }
  if (found.login) return [];
  const fix = "Have the platform name it as the role's `consumer`: a namespace and a service account.";
  return [{ setting: "role", value: role, problem: "lets no application log in", fix }];
}

function checkFiles(files: CredentialsFile[] = ["service"]): SettingProblem[] {
  const fix = `Use some of ${FILES.join(", ")}, each once.`;
  const isWrong =
    files.length === 0 || new Set(files).size < files.length || !files.every((file) => FILES.includes(file));
  return isWrong ? [{ setting: "files", value: files, problem: "is no list of files", fix }] : [];
}

function checkReload(reload: Reload): SettingProblem[] {
  if ("command" in reload) {
    if (reload.command.length > 0) return [];
    return [
      { setting: "reload.command", value: [], problem: "is empty", fix: "Write a command, or leave reload out." },
    ];
  }
  const { signal, process } = reload;
  const fix = "Write a name as `kill -l` has it, e.g. HUP or USR1.";
  return [
    ...(/^(SIG)?[A-Z][A-Z0-9]+$/.test(signal)
      ? []
      : [{ setting: "reload.signal", value: signal, problem: "is no name of a signal", fix }]),
    // The kernel keeps 15 bytes of a process's name.
    ...(process.length > 0 && Buffer.byteLength(process) <= 15
      ? []
      : [
          {
            setting: "reload.process",
            value: process,
            problem: "is no name of a process",
            fix: "Write at most 15 bytes of it, as `cat /proc/<pid>/comm` shows.",
          },
        ]),
  ];
}

function isHttps(address: string): boolean {
  return URL.canParse(address) && new URL(address).protocol === "https:";
}
