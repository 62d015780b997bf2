import { strict as assert } from "node:assert";
import { selectDatabaseClientCa } from "../../../components/teleport/cert-authorities";
import { TeleportDocument } from "../../../components/teleport/tctl";

const keys = (...pems: string[]) => ({ tls: pems.map((pem) => ({ cert: Buffer.from(pem).toString("base64") })) });

function authority(type: string, cluster = "lab", spec: Record<string, unknown> = {}): TeleportDocument {
  return {
    kind: "cert_authority",
    sub_kind: type,
    version: "v2",
    metadata: { name: cluster },
    spec: { type, active_keys: keys(`${cluster} ${type}`), additional_trusted_keys: {}, ...spec },
  };
}

describe("a Teleport cluster's database client CA", () => {
  it("is db_client where the cluster has it, else db", () => {
    const old = [authority("host"), authority("db")];
    assert.deepEqual(selectDatabaseClientCa(old), { cluster: "lab", certificates: ["lab db"] });
    assert.deepEqual(selectDatabaseClientCa([...old, authority("db_client")]).certificates, ["lab db_client"]);
  });

  it("has both certificates while a rotation is under way, the one in use first", () => {
    const rotation = { state: "in_progress", phase: "update_clients" };
    const rotating = authority("db", "lab", {
      active_keys: keys("new"),
      additional_trusted_keys: keys("old"),
      rotation,
    });
    assert.deepEqual(selectDatabaseClientCa([rotating]), {
      cluster: "lab",
      certificates: ["new", "old"],
      rotationPhase: "update_clients",
    });
  });

  it("is told by no phase once the rotation is over", () => {
    const standby = authority("db", "lab", { rotation: { state: "standby", phase: "standby" } });
    assert.ok(!("rotationPhase" in selectDatabaseClientCa([standby])));
  });

  it("is of the cluster that signed the identity, not of one that it trusts", () => {
    const both = [authority("db", "leaf"), authority("db", "lab")];
    assert.deepEqual(selectDatabaseClientCa(both, "lab").certificates, ["lab db"]);
    assert.throws(() => selectDatabaseClientCa(both), /several clusters \(leaf, lab\)/);
  });

  it("is not taken from a trusted cluster that alone has the newer type", () => {
    const mixed = [authority("db_client", "leaf"), authority("db", "leaf"), authority("db", "lab")];
    assert.deepEqual(selectDatabaseClientCa(mixed, "lab").certificates, ["lab db"]);
  });

  it("is missed with a word on the right that it takes", () => {
    assert.throws(
      () => selectDatabaseClientCa([authority("host")], "lab"),
      /no database CA of the cluster lab.*cert_authority/,
    );
  });
});
