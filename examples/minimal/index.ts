/** One database that people reach through Teleport, with CAs in the stack. Needs the CloudNativePG operator. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { PostgresCluster, PostgresClusterArgs } from "cnpg-teleport";

const settings: PostgresClusterArgs = {
  storage: { size: "10Gi" },
  issuer: { type: "tls" },
  teleport: { proxy: new pulumi.Config().require("proxy") }, // host:port, e.g. teleport.example.com:443
};
const kubernetes = new k8s.Provider("kubernetes", { enableSecretMutable: true });

/** Hosts, names of Secrets, names in Teleport, and the commands to connect. Contains no secret. */
export const { outputs } = new PostgresCluster("orders", settings, { providers: { kubernetes } });
