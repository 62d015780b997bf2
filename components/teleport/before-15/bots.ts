/**
 * Bots for all versions of Teleport. Since Teleport 15 a bot is a document like any other resource. Before, `tctl
 * create` does not know the kind, and a bot is a user and a role, as `tctl bots add` creates them. Newer servers
 * still store it that way behind the document (seen with 13.3.8; `botFromUserAndRole` of lib/auth/machineid). The
 * server's own answer shows which of the two it uses, when an operation runs: an upgrade of Teleport changes nothing
 * in what is declared.
 */
import { TeleportError } from "../client/errors";
import type { TeleportClient } from "../client/tctl";
import { BOT, botAccountName } from "../resources/bot";
import { botAccounts, BotAccounts, botOf, sameAccount } from "./bot-accounts";

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
