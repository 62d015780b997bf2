/** A user's own program with the library: a database, a role that opens it, and a token for its agents. */
import * as pulumi from "@pulumi/pulumi";
import {
  TeleportDatabase,
  TeleportAccessRole,
  TeleportJoinToken,
} from "../../../components/teleport/resources/resource";
import { PROVISIONED_BY } from "../../../components/teleport/program-roles";

const config = new pulumi.Config();
const teleport = { proxy: config.require("proxy") };
const name = config.require("name");
const description = config.get("description");
const labels = { ...PROVISIONED_BY, stack: name };

export const role = new TeleportAccessRole("role", {
  teleport,
  name,
  description,
  labels,
  databaseLabels: { ...PROVISIONED_BY, stack: [name] },
  databaseNames: ["orders", "reports"],
  databaseUsers: config.getObject<string[]>("databaseUsers") ?? ["teleport_user_read"],
  maxSessionTtl: "4h",
  options: { client_idle_timeout: "15m", record_session: { default: "strict" } },
}).roleName;

export const token = new TeleportJoinToken("token", {
  teleport,
  name,
  labels,
  join: { method: "kubernetes", serviceAccounts: ["teleport:agent"] },
}).tokenName;

export const database = new TeleportDatabase("database", {
  teleport,
  name,
  description,
  labels,
  dynamicLabels: { load: { command: ["cat", "/proc/loadavg"], period: "90s" } },
  uri: "nowhere.invalid:5432",
  tlsMode: "verify-ca",
  // Unknown in the first preview, like the CA of a Cluster: the name is checked anyway.
  serverName: pulumi.interpolate`${token}.example.com`,
  trustSystemPool: config.getBoolean("trustSystemPool"),
  adminUser: { name: "teleport_admin" },
}).databaseName;
