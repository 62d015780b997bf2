/** A user's own program: its own CA and those that the configuration names, in one bundle. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { mergeCaBundle } from "../../../components/certificates/ca-bundle";
import { CaSource } from "../../../components/certificates/ca-source";
import { caSources } from "../../../components/certificates/ca-sources";

const config = new pulumi.Config();
const sources = config.getObject<CaSource[]>("sources");
const own = config.require("own");

const providers = {
  kubernetes: new k8s.Provider("kubernetes"),
  // The token is VAULT_TOKEN.
  vault: new vault.Provider("vault", { address: process.env.VAULT_ADDR, skipChildToken: true }),
};
const parent = new pulumi.ComponentResource("ca-sources:index:Parent", "parent", {}, { providers });

const parts = caSources(
  "bundle",
  sources,
  { proxy: config.require("proxy"), namespace: config.require("namespace") },
  { parent },
);
export const bundle = parts.apply((others) => mergeCaBundle({ name: "the CA of its own", pem: own }, others));
export const names = parts.apply((others) => others.map(({ name }) => name));
