/** What stands for a bot where Teleport has no documents of bots: a user and a role, both named `bot-<name>`. Pure. */
import { OWNER_LABEL } from "../../owner-label";
import type { TeleportDocument } from "../client/tctl";
import { botAccountName, botDocument } from "../resources/bot";
import { differences, ownership } from "../resources/document";

/** By these labels Teleport knows a bot's user and role (`BotLabel`, `BotGenerationLabel` of api/types). */
const BOT_LABEL = "teleport.internal/bot";
const GENERATION_LABEL = "teleport.internal/bot-generation";
/** What `tctl bots add` gives a bot's role (`createBotRole` of lib/auth/bot.go). */
const BOT_ROLE_OPTIONS = { max_session_ttl: "12h" };
const BOT_ROLE_RULES = [{ resources: ["cert_authority"], verbs: ["readnosecrets"] }];

/** A bot's user and role. Either may be missing where something was cut off, or a hand removed it. */
export interface BotAccounts {
  user?: TeleportDocument;
  role?: TeleportDocument;
}

/**
 * The user and the role that `tctl bots add` makes, carrying the bot's labels.
 *
 * @param existing the user that is there: Teleport counts in a label of it which of a bot's certificates is the latest,
 * and locks a bot whose certificate is of an earlier count
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

/** Whether a user that is there has the labels and roles of one that would be written. */
export function sameAccount(found: TeleportDocument, written: TeleportDocument): boolean {
  const said = ({ metadata, spec }: TeleportDocument) =>
    JSON.stringify([Object.entries(metadata.labels ?? {}).sort(), spec.roles]);
  return said(found) === said(written);
}

/**
 * The bot that a user and a role stand for; undefined if there is neither. What is not as it would be written shows in
 * `spec.changed`, which no bot of ours declares: so it is seen as a change, and put right. Where either is somebody
 * else's, so is the bot: it carries no owner label then.
 */
export function botOf(name: string, { user, role }: BotAccounts): TeleportDocument | undefined {
  const labelled = user ?? role;
  if (!labelled) return undefined;
  // Not the registration: a create that was cut off between the two, and made again, has left two of them.
  const ownerOf = (account: TeleportDocument) => ownership(account)?.owner;
  const isOthers = user !== undefined && role !== undefined && ownerOf(user) !== ownerOf(role);
  const notOfTheBot = [BOT_LABEL, GENERATION_LABEL, ...(isOthers ? [OWNER_LABEL] : [])];
  const own = Object.entries(labelled.metadata.labels ?? {}).filter(([label]) => !notOfTheBot.includes(label));
  const roles = impersonated(role);
  const bot = botDocument({ name, labels: Object.fromEntries(own), roles });
  const changed = changes(bot, { user, role });
  return changed.length > 0 ? { ...bot, spec: { ...bot.spec, changed } } : bot;
}

function impersonated(role: TeleportDocument | undefined): string[] {
  const { impersonate = {} } = (role?.spec.allow ?? {}) as { impersonate?: { roles?: string[] } };
  return impersonate.roles ?? [];
}

/** Where the accounts differ from those of this bot. Of the user, the roles alone count: the rest is Teleport's. */
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
