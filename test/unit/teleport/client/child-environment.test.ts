import { strict as assert } from "node:assert";
import { childEnvironment } from "../../../../components/teleport/client/child-environment";

const OWN = { TELEPORT_CONFIG_FILE: "", TELEPORT_TOOLS_VERSION: "off" };

describe("the environment of tctl", () => {
  it("has the variables that tctl needs", () => {
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
    assert.deepEqual(childEnvironment(needed), { ...needed, ...OWN });
  });

  it("has no secret of the program or of a CI job", () => {
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
    assert.deepEqual(childEnvironment(secrets), OWN);
  });

  it("excludes the configuration file of another Teleport service, however it is named", () => {
    assert.equal(childEnvironment({}).TELEPORT_CONFIG_FILE, "");
    const named = { TELEPORT_CONFIG_FILE: "/etc/teleport.yaml", TELEPORT_CONFIG: "eyJ9" };
    assert.deepEqual(childEnvironment(named), OWN);
  });

  it("lets tctl download another version only if the user's environment asks for it", () => {
    assert.equal(childEnvironment({}).TELEPORT_TOOLS_VERSION, "off");
    assert.equal(childEnvironment({ TELEPORT_TOOLS_VERSION: "18.1.0" }).TELEPORT_TOOLS_VERSION, "18.1.0");
  });
});
