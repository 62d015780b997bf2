import { strict as assert } from "node:assert";
import { checkTeleportName, teleportNames } from "../../../components/teleport/names";

describe("names of databases", () => {
  it("in Teleport carry the environment, unless another name is given", () => {
    assert.deepEqual(teleportNames("orders", "dev"), { primary: "orders-dev", standby: "orders-dev-ro" });
    assert.deepEqual(teleportNames("orders", "dev", "shop"), { primary: "shop", standby: "shop-ro" });
  });

  it("in Teleport are refused if they are longer than a DNS label", () => {
    assert.deepEqual(checkTeleportName("teleport.name", "a".repeat(63)), []);
    assert.equal(checkTeleportName("teleport.name", "a".repeat(64)).length, 1);
  });
});
