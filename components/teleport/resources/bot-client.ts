/** Bots among what a client of Teleport reads and writes. */
import { withBotsBefore15 } from "../before-15/bots"; // Teleport 13 and 14
import { TeleportClient, TeleportConnection, withTeleport } from "../client/tctl";
import { BOT, declaredBot } from "./bot";

/** A way of reaching Teleport, with bots in it. */
export function withBots(reach: typeof withTeleport = withTeleport): typeof withTeleport {
  return <Result>(
    connection: TeleportConnection,
    use: (client: TeleportClient) => Promise<Result>,
    delays?: readonly number[],
  ) => reach(connection, (teleport) => use(botClient(teleport)), delays);
}

/** The client, which shows of a bot what we declare of it. */
export function botClient(teleport: TeleportClient): TeleportClient {
  const client: TeleportClient = {
    ...teleport,
    async get(reference) {
      const found = await teleport.get(reference);
      return found.map((document) => (document.kind === BOT.kind ? declaredBot(document) : document));
    },
  };
  return withBotsBefore15(client); // Teleport 13 and 14
}
