/** The commands with which people connect. Pure. */
import { TeleportUser } from "../cnpg/roles";

/** `tsh db connect` for each database in Teleport and each user. */
export function connectCommands(
  proxy: string,
  teleportDatabases: readonly string[],
  users: readonly TeleportUser[],
  database: string,
): string[] {
  return teleportDatabases.flatMap((name) =>
    users.map((user) => `tsh db connect --proxy=${proxy} --db-user=${user.name} --db-name=${database} ${name}`),
  );
}
