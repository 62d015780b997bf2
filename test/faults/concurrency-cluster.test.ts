/** Two stacks that want the same Cluster, the same names in Vault, or the same namespace for different Clusters. */
import { strict as assert } from "node:assert";
import { Stack } from "../../lab/drive/stack";
import { kubectl, oneDatabase, sqlAsSuperuser } from "../lab/lab";

const SHARED = "eng-both";
const NAMESPACE = "eng-both-place";
const uidOf = (...object: string[]) =>
  kubectl("get", ...object, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}");

describe("two stacks of Clusters", () => {
  const stacks: Stack[] = [];
  const stackOf = async (name: string) => {
    const stack = new Stack(name);
    stacks.push(stack);
    await stack.init();
    return stack;
  };

  after(async () => {
    for (const stack of stacks) {
      await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
      await stack.remove();
    }
    await kubectl("delete", "namespace", SHARED, NAMESPACE, "--ignore-not-found", "--wait=false");
  });

  it("with one Cluster's name: the second is refused, and its destroy takes nothing from the first", async () => {
    const [winner, loser] = [await stackOf("eng-both-first"), await stackOf("eng-both-second")];
    const teleport = undefined;
    winner.configure(oneDatabase(SHARED, { teleport }));
    loser.configure(oneDatabase(SHARED, { teleport, parameters: { shared_buffers: "64MB", max_connections: "60" } }));
    await winner.up();
    await sqlAsSuperuser(SHARED, "app", "CREATE TABLE precious (note text)");
    const objects = [
      ["namespace", SHARED],
      ["-n", SHARED, "cluster", SHARED],
      ["-n", SHARED, "secret", `${SHARED}-server-tls`],
    ];
    const uids = () => Promise.all(objects.map((object) => uidOf(...object)));
    const before = await uids();
    assert.ok(before.every(Boolean), `${before}`);

    const refused = await loser.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(refused.code, 0, refused.output);
    assert.match(refused.output, /(conflict[^]*pulumi\.com\/owner|already exists)/, refused.output);
    await loser.destroy();
    assert.deepEqual(await uids(), before);
    assert.equal(await sqlAsSuperuser(SHARED, "app", "SELECT count(*) FROM precious"), "0\n");
    assert.deepEqual(Object.keys(await winner.plannedChanges()), ["same"]);
    await winner.destroy();
    assert.deepEqual(await uids(), ["", "", ""]);
  });

  it("with different Clusters in one namespace: both come and go at once", async () => {
    await kubectl("create", "namespace", NAMESPACE);
    const pair = await Promise.all(["one", "two"].map((name) => stackOf(`eng-both-${name}`)));
    pair.forEach((stack, index) =>
      stack.configure(oneDatabase(`eng-both-${index}`, { teleport: undefined, namespace: NAMESPACE })),
    );
    await Promise.all(pair.map((stack) => stack.up()));
    const clusters = () => kubectl("-n", NAMESPACE, "get", "clusters.postgresql.cnpg.io,secrets", "-o", "name");
    for (const index of [0, 1]) assert.match(await clusters(), new RegExp(`cluster\\S*/eng-both-${index}$`, "m"));
    await Promise.all(pair.map((stack) => stack.destroy()));
    assert.equal(await clusters(), "");
  });
});
