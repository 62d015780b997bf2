/**
 * A bot in Teleport: as a document, and as a user and a role for versions of Teleport without such documents. Both
 * are named `bot-<name>`. Pure.
 */
import type { SettingProblem } from "../../problems";
import { differences, OWNER_LABEL, ownership } from "./document";
import type { TeleportDocument } from "../client/tctl";

/** The settings of a bot, without the Teleport cluster. */
export interface BotSettings {
  /** Name in Teleport. */
  name: string;
  /** Labels of the bot itself. */
  labels?: Record<string, string>;
  /** Roles that the bot may use. Becomes `spec.roles`. */
  roles: string[];
}

export const BOT = { kind: "bot", version: "v1" } as const;
/** Labels by which Teleport recognizes a bot's user and role (`BotLabel`, `BotGenerationLabel` of api/types). */
const BOT_LABEL = "teleport.internal/bot";
const GENERATION_LABEL = "teleport.internal/bot-generation";
/** The role that `tctl bots add` creates (`createBotRole` of lib/auth/bot.go). */
const BOT_ROLE_OPTIONS = { max_session_ttl: "12h" };
const BOT_ROLE_RULES = [{ resources: ["cert_authority"], verbs: ["readnosecrets"] }];
/** Characters that a plain role name does not contain. */
const PATTERN = /[*?^$|{}[\]()\\\s]/;

/** A bot's user and role. One of them may be missing after an interrupted operation or a manual change. */
export interface BotAccounts {
  user?: TeleportDocument;
  role?: TeleportDocument;
}

/** The document for Teleport 15 and newer. */
export function botDocument({ name, labels = {}, roles }: BotSettings): TeleportDocument {
  return { ...BOT, metadata: { name, labels }, spec: { roles } };
}

/** `bot-<name>`: the name of the bot's user and role, and of the PostgreSQL user that Teleport creates for it. */
export function botAccountName(name: string): string {
  return `bot-${name}`;
}

/**
 * The user and the role as `tctl bots add` creates them, with the bot's labels.
 *
 * @param existing the existing user: one of its labels is Teleport's counter of the bot's latest certificate.
 * Teleport locks a bot whose certificate has an earlier count
 */
export function botAccounts(bot: TeleportDocument, existing?: TeleportDocument): Required<BotAccounts> {
  const { name } = bot.metadata;
  const account = botAccountName(name);
  const labels = { ...bot.metadata.labels, [BOT_LABEL]: name };
  const generation = existing?.metadata.labels?.[GENERATION_LABEL] ?? "0";
  return {
    role: {
      kind: "role",
      version: "v6",
      metadata: { name: account, description: `Of the bot ${name}`, labels },
      spec: {
        options: BOT_ROLE_OPTIONS,
        allow: { rules: BOT_ROLE_RULES, impersonate: { roles: bot.spec.roles } },
      },
    },
    user: {
      kind: "user",
      version: "v2",
      metadata: { name: account, labels: { ...labels, [GENERATION_LABEL]: generation } },
      spec: { roles: [account] },
    },
  };
}

/** Whether the existing user has the labels and roles of the user that would be written. */
export function sameAccount(found: TeleportDocument, written: TeleportDocument): boolean {
  const compared = ({ metadata, spec }: TeleportDocument) =>
    JSON.stringify([Object.entries(metadata.labels ?? {}).sort(), spec.roles]);
  return compared(found) === compared(written);
}

/**
 * The bot that a user and a role represent; undefined if both are missing. Differences from what would be written are
 * listed in `spec.changed`, which no declared bot has, so they show as a change and are corrected. If the user or the
 * role belongs to someone else, so does the bot, and it has no owner label.
 */
export function botOf(name: string, { user, role }: BotAccounts): TeleportDocument | undefined {
  const labelled = user ?? role;
  if (!labelled) return undefined;
  // Compares only the owner: an interrupted create that was repeated leaves two different registrations.
  const ownerOf = (account: TeleportDocument) => ownership(account)?.owner;
  const isOthers = user !== undefined && role !== undefined && ownerOf(user) !== ownerOf(role);
  const notOfTheBot = [BOT_LABEL, GENERATION_LABEL, ...(isOthers ? [OWNER_LABEL] : [])];
  const own = Object.entries(labelled.metadata.labels ?? {}).filter(([label]) => !notOfTheBot.includes(label));
  const roles = impersonated(role);
  const bot = botDocument({ name, labels: Object.fromEntries(own), roles });
  const changed = changes(bot, { user, role });
  return changed.length > 0 ? { ...bot, spec: { ...bot.spec, changed } } : bot;
}

/** Checks the spec of a bot as it is sent. */
export function checkBotSpec(setting: string, { roles }: Record<string, unknown>): SettingProblem[] {
  const names: unknown[] = Array.isArray(roles) ? roles : [];
  if (names.length === 0) {
    return [{ setting: `${setting}.roles`, problem: "must not be empty", fix: "Name the roles that the bot may use." }];
  }
  return names
    .filter((role) => typeof role !== "string" || role === "" || PATTERN.test(role))
    .map((role) => ({
      setting: `${setting}.roles`,
      value: role,
      problem: "must be a role name, not a pattern that could match any role",
      fix: "Write the name of each role.",
    }));
}

function impersonated(role: TeleportDocument | undefined): string[] {
  const { impersonate = {} } = (role?.spec.allow ?? {}) as { impersonate?: { roles?: string[] } };
  return impersonate.roles ?? [];
}

/**
 * Lists the differences between the accounts and those of this bot. In the user, only the roles count: Teleport sets
 * the other fields.
 */
function changes(bot: TeleportDocument, { user, role }: BotAccounts): string[] {
  const written = botAccounts(bot, user);
  const userRoles = JSON.stringify(user?.spec.roles) === JSON.stringify(written.user.spec.roles);
  const roleChanges = role
    ? differences(role, { ...written.role, metadata: { ...role.metadata } }).map(({ path }) => `role ${path}`)
    : ["role"];
  const isMarked = (account: TeleportDocument) => account.metadata.labels?.[BOT_LABEL] === bot.metadata.name;
  return [
    ...(user && isMarked(user) && userRoles ? [] : ["user"]),
    ...(role && !isMarked(role) ? ["role metadata.labels"] : []),
    ...roleChanges,
  ];
}
