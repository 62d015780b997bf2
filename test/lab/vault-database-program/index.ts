/** A user's own program: short-lived users from Vault for a database of the platform's stack. */
import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { VaultDatabase } from "../../../components/vault-database/vault-database";
import { VaultDatabaseArgs } from "../../../components/vault-database/settings";

const config = new pulumi.Config();
const { VAULT_ADDR, VAULT_ROLE_ID = "", VAULT_SECRET_ID = "" } = process.env;
const provider = new vault.Provider("vault", {
  address: VAULT_ADDR ?? "",
  skipChildToken: true,
  authLogin: {
    path: "auth/approle/login",
    parameters: pulumi.secret({ role_id: VAULT_ROLE_ID, secret_id: VAULT_SECRET_ID }),
  },
});

export const database = new VaultDatabase(config.require("name"), config.requireObject<VaultDatabaseArgs>("settings"), {
  providers: { vault: provider },
}).outputs;
