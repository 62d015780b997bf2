/**
 * Bots, for every Teleport. From 15 on a bot is a document as any other. Before, `tctl create` does not know the kind, and
 * a bot is a user and a role as `tctl bots add` makes them; newer servers keep it so behind the document (seen with
 * 13.3.8; `botFromUserAndRole` of lib/auth/machineid). Which of the two a server has is told by its own answer, when an
 * operation runs: an upgrade of Teleport changes nothing of what is declared.
 */
import { TeleportError } from "../client/errors";
import type { TeleportClient } from "../client/tctl";
import { BOT, botAccountName } from "../resources/bot-document";
import { botAccounts, BotAccounts, botOf, sameAccount } from "./bot-accounts";

/** How a Teleport keeps a bot. */
export type BotStorage =
  /** `kind: bot`, Teleport 15 and newer. */
  | "document"
  /** A user and a role, both named `bot-<name>`, with Teleport's own label. */
  | "user-and-role";

/** What tctl says of a kind that it does not know, and a server of a service that it does not have. */
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
            await teleport.remove(`role/${role.metadata.name}`); // made a moment ago, for a user that is somebody's
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
          // Not where nothing is to change: a running bot's renewal counts in the user, and if our write undid a count
          // that came after our read, Teleport would take the bot's certificate for a stolen one and lock the bot
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

  /** The user first: a role in use stays. Where the server still counts it as in use, the next attempt takes it. */
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
