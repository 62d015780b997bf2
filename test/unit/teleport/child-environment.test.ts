import { strict as assert } from "node:assert";
import { childEnvironment } from "../../../components/teleport/child-environment";

describe("the environment of tctl", () => {
  it("is what it needs", () => {
    const needed = {
      PATH: "/bin",
      Path: "C:\\bin",
      HOME: "/home/ci",
      TMPDIR: "/tmp",
      LC_ALL: "C",
      SSL_CERT_FILE: "/ca.pem",
      HTTPS_PROXY: "http://proxy",
      no_proxy: "localhost",
      TELEPORT_HOME: "/home/ci/.tsh",
    };
    assert.deepEqual(childEnvironment(needed), needed);
  });

  it("has no secret of the program's or of a CI job's", () => {
    const secrets = {
      VAULT_TOKEN: "x",
      VAULT_SECRET_ID: "x",
      PULUMI_CONFIG_PASSPHRASE: "x",
      PULUMI_ACCESS_TOKEN: "x",
      AWS_SECRET_ACCESS_KEY: "x",
      GITHUB_TOKEN: "x",
      TELEPORT_IDENTITY: "x",
      TELEPORT_EMEA_IDENTITY: "x",
      TELEPORT_IDENTITY_FILE: "/x",
      TELEPORT_IDENTITY_VAULT: "x",
      KUBECONFIG: "/x",
      NODE_OPTIONS: "x",
    };
    assert.deepEqual(childEnvironment(secrets), {});
  });
});
