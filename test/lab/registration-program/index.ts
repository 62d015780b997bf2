/** A user's own program with the library: one database in Teleport. */
import * as pulumi from "@pulumi/pulumi";
import { PROVISIONED_BY, TeleportDatabase } from "../../../components";

const config = new pulumi.Config();
const registration = new TeleportDatabase("database", {
  teleport: { proxy: config.require("proxy") },
  name: config.require("name"),
  description: config.get("description"),
  labels: PROVISIONED_BY,
  uri: "nowhere.invalid:5432",
  adopt: config.getBoolean("adopt"),
});

export const name = registration.databaseName;
