/** A user's own program with the library: any number of registrations of each kind. */
import * as pulumi from "@pulumi/pulumi";
import {
  PROVISIONED_BY,
  TeleportAccessRole,
  TeleportBot,
  TeleportDatabase,
  TeleportJoinToken,
} from "../../../components";

const config = new pulumi.Config();
const teleport = { proxy: config.require("proxy") };
const names = config.requireObject<Record<"db" | "role" | "token" | "bot", string[]>>("names");
const label = config.get("label") ?? "first";
const labels = { ...PROVISIONED_BY, label };

for (const name of names.db) new TeleportDatabase(name, { teleport, name, labels, uri: "nowhere.invalid:5432" });
for (const name of names.role) {
  const opens = { databaseLabels: labels, databaseNames: ["orders"], databaseUsers: ["teleport_user_read"] };
  new TeleportAccessRole(name, { teleport, name, labels, ...opens });
}
for (const name of names.token) {
  new TeleportJoinToken(name, { teleport, name, labels, join: { method: "kubernetes", serviceAccounts: ["a:b"] } });
}
for (const name of names.bot) new TeleportBot(name, { teleport, name, labels, roles: [config.require("botRole")] });
