import { strict as assert } from "node:assert";
import { providerOf } from "../../../../components/dynamic/converge";
import { autoUsers, AutoUsersInputs } from "../../../../components/teleport/auto-users/admin-operations";
import { FakeKubernetes } from "../../postgres/fake-kubernetes";

const inputs: AutoUsersInputs = {
  namespace: "db",
  cluster: "orders",
  uid: "uid-1",
  database: "app",
  settings: { roles: ["reader"] },
};

describe("Teleport's user in a hibernated Cluster", () => {
  it("is not changed, with a message, and is created by the first run after hibernation", async () => {
    const kubernetes = new FakeKubernetes();
    kubernetes.answer = ({ script }) => (script.includes("SELECT datname") ? "app\n" : "is missing\n");
    kubernetes.cluster!.metadata.annotations = { "cnpg.io/hibernation": "on" };
    const operations = providerOf(autoUsers(async () => kubernetes));
    const printed: string[] = [];
    const print = console.error;
    console.error = (line: string) => void printed.push(line);
    try {
      await operations.create(inputs);
      assert.match(printed.join("\n"), /db\/orders is stopped: it is hibernated .*the rights of Teleport's user/);
      assert.deepEqual(await operations.diff("id", inputs, inputs), { changes: false });
      assert.deepEqual(kubernetes.ran, []);
      kubernetes.cluster!.metadata.annotations = {};
      assert.deepEqual(await operations.diff("id", inputs, inputs), { changes: true });
    } finally {
      console.error = print;
    }
  });
});
