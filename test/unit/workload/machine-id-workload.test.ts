import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";

const made: string[] = [];

describe("MachineIdWorkload", () => {
  let MachineIdWorkload: typeof import("../../../components/workload/machine-id-workload").MachineIdWorkload;

  before(async () => {
    await pulumi.runtime.setMocks(
      {
        newResource: ({ type, name, inputs }) => {
          made.push(`${type} ${name}`);
          return { id: `${name}-id`, state: inputs };
        },
        call: () => ({}),
      },
      "cnpg-teleport",
      "dev",
      false,
      "acme",
    );
    ({ MachineIdWorkload } = await import("../../../components/workload/machine-id-workload"));
  });
  beforeEach(() => made.splice(0));

  it("gives no two resources the same name, whatever the names of applications and databases", async () => {
    const workload = (name: string, alias: string) => {
      const { outputs } = new MachineIdWorkload(name, {
        teleport: { proxy: "t:443" },
        join: { method: "kubernetes", namespace: "shop", serviceAccount: "shop" },
        databases: { [alias]: { service: "orders", labels: { cluster: "orders" }, database: "app", user: "writer" } },
      });
      return new Promise<pulumi.Unwrap<typeof outputs>>((resolve) => outputs.apply(resolve));
    };
    const [one, other] = await Promise.all([workload("a", "b-c"), workload("a-b", "c")]);
    assert.deepEqual([one.bot, other.bot], ["a", "a-b"]);
    assert.ok(made.length >= 8, made.join("\n"));
    assert.deepEqual(made, [...new Set(made)]);
  });
});
