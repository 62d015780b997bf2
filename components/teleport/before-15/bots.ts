/**
 * Bots for all versions of Teleport. Since Teleport 15 a bot is a document like any other resource. Before, `tctl
 * create` does not know the kind, and a bot is a user and a role, both named `bot-<name>`, as `tctl bots add` creates
 * them. Newer servers still store it that way behind the document (seen with 13.3.8; `botFromUserAndRole` of
 * lib/auth/machineid). The server's own answer shows which of the two it uses, when an operation runs: an upgrade of
 * Teleport changes nothing in what is declared.
 */
import { TeleportError } from "../client/errors";
import type { TeleportClient, TeleportDocument } from "../client/tctl";
import { BOT, botAccountName, botDocument } from "../resources/bot";
import { OWNER_LABEL } from "../../owner-label";
import { differences, ownership } from "../resources/document";

/** How a Teleport server stores a bot. */
export type BotStorage =
  /** `kind: bot`, Teleport 15 and newer. */
  | "document"
  /** A user and a role, both named `bot-<name>`, with Teleport's own label. */
  | "user-and-role";

/** Messages of tctl for an unknown kind, and of a server for an unknown service. */
const UNKNOWN_KIND =
  /unsupported resource: "bot"|of type "bot" is not supported|getting "bot[^"]*" is not supported|unknown service|Unimplemented/;

/** The client, which takes `bot/<name>` whichever way Teleport keeps bots. */
export function withBotsBefore15(teleport: TeleportClient): TeleportClient {
  let storage: BotStorage | undefined;

  return {
    cluster: teleport.cluster,
    async get(reference) {
      const name = botName(reference);
      if (name === undefined) return teleport.get(reference);
      return eitherWay(
        () => teleport.get(reference),
        async () => [botOf(name, await find(name)) ?? []].flat(),
      );
    },
    create(document) {
      if (document.kind !== BOT.kind) return teleport.create(document);
      return eitherWay(
        () => teleport.create(document),
        async () => {
          const { role, user } = botAccounts(document);
          await teleport.create(role);
          try {
            await teleport.create(user);
          } catch (error) {
            await teleport.remove(`role/${role.metadata.name}`); // created just now, but the user of that name belongs to someone else
            throw error;
          }
        },
      );
    },
    overwrite(document) {
      if (document.kind !== BOT.kind) return teleport.overwrite(document);
      return eitherWay(
        () => teleport.overwrite(document),
        async () => {
          const existing = (await find(document.metadata.name)).user;
          const { role, user } = botAccounts(document, existing);
          await teleport.overwrite(role);
          // Write the user only if it changes. A running bot's renewals are counted in the user. If this write undid
          // a count that came after the read, Teleport would treat the bot's certificate as stolen and lock the bot
          // (`validateGenerationLabel` of lib/auth/bot.go).
          if (!existing || !sameAccount(existing, user)) await teleport.overwrite(user);
        },
      );
    },
    async remove(reference) {
      const name = botName(reference);
      if (name === undefined) return teleport.remove(reference);
      return eitherWay(
        () => teleport.remove(reference),
        () => removeAccounts(name),
      );
    },
  };

  async function eitherWay<Result>(asDocument: () => Promise<Result>, asAccounts: () => Promise<Result>) {
    if (storage === "user-and-role") return asAccounts();
    try {
      const result = await asDocument();
      storage = "document";
      return result;
    } catch (error) {
      if (storage === "document" || !(error instanceof TeleportError) || !UNKNOWN_KIND.test(error.message)) throw error;
      storage = "user-and-role";
      return asAccounts();
    }
  }

  async function find(name: string): Promise<BotAccounts> {
    const account = botAccountName(name);
    const [user] = await teleport.get(`user/${account}`);
    const [role] = await teleport.get(`role/${account}`);
    return { user, role };
  }

  /**
   * Removes the user first, because a role in use cannot be removed. If the server still counts the role as in use,
   * the next attempt removes it.
   */
  async function removeAccounts(name: string): Promise<void> {
    const account = botAccountName(name);
    await teleport.remove(`user/${account}`);
    try {
      await teleport.remove(`role/${account}`);
    } catch (error) {
      if (!(error instanceof TeleportError) || error.failure !== "in-use") throw error;
    }
  }
}

function botName(reference: string): string | undefined {
  return reference.startsWith(`${BOT.kind}/`) ? reference.slice(BOT.kind.length + 1) : undefined;
}

/** By these labels Teleport knows a bot's user and role (`BotLabel`, `BotGenerationLabel` of api/types). */
const BOT_LABEL = "teleport.internal/bot";
const GENERATION_LABEL = "teleport.internal/bot-generation";
/** What `tctl bots add` gives a bot's role (`createBotRole` of lib/auth/bot.go). */
const BOT_ROLE_OPTIONS = { max_session_ttl: "12h" };
const BOT_ROLE_RULES = [{ resources: ["cert_authority"], verbs: ["readnosecrets"] }];

/** A bot's user and role. Either may be missing where something was cut off, or a hand removed it. */
interface BotAccounts {
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
function sameAccount(found: TeleportDocument, written: TeleportDocument): boolean {
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
