/** A user's own program with the library: any number of databases in Teleport. */
import * as pulumi from "@pulumi/pulumi";
import { PROVISIONED_BY, TeleportDatabase } from "../../../components";

const config = new pulumi.Config();
const teleport = { proxy: config.require("proxy") };
const labels = { ...PROVISIONED_BY, ...config.requireObject<Record<string, string>>("labels") };

for (const name of config.requireObject<string[]>("names"))
  new TeleportDatabase(name, { teleport, name, labels, uri: "nowhere.invalid:5432" });
