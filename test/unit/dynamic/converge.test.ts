import { strict as assert } from "node:assert";
import { providerOf, ResourceKind } from "../../../components/dynamic/converge";

interface Inputs {
  name: string;
  size?: number;
}

describe("the provider of a kind of resource", () => {
  const kind: ResourceKind<Inputs> = { id: ({ name }) => `the ${name}`, declared: ({ size }) => size };
  const olds = { name: "one", size: 1 };

  it("by default creates nothing, keeps the inputs, and updates only if the declaration changes", async () => {
    const provider = providerOf(kind);
    assert.deepEqual(await provider.check(olds, olds), { inputs: olds, failures: [] });
    assert.deepEqual(await provider.create(olds), { id: "the one", outs: olds });
    assert.deepEqual(await provider.read("the one", olds), { id: "the one", props: olds });
    assert.deepEqual(await provider.read("the one"), {});
    assert.deepEqual(await provider.diff("id", olds, { ...olds, name: "other" }), { changes: false });
    assert.deepEqual(await provider.diff("id", olds, { ...olds, size: 2 }), { changes: true });
    assert.deepEqual(await provider.update("id", olds, { ...olds, size: 2 }), { outs: { ...olds, size: 2 } });
    await provider.delete("id", olds);
  });

  it("checks for drift only if the declaration is unchanged, and passes the former state to apply", async () => {
    const called: string[] = [];
    const provider = providerOf<Inputs, Inputs>({
      ...kind,
      differs: async () => called.push("differs") > 0,
      apply: async (inputs, former) => (called.push(`apply after ${former?.size}`), inputs),
    });
    assert.deepEqual(await provider.diff("id", olds, olds), { changes: true });
    assert.deepEqual(await provider.diff("id", olds, { ...olds, size: 2 }), { changes: true });
    await provider.create(olds);
    await provider.update("id", olds, olds);
    assert.deepEqual(called, ["differs", "apply after undefined", "apply after 1"]);
  });

  it("replaces if the kind says so, and forgets a resource that a refresh does not find", async () => {
    const provider = providerOf<Inputs, Inputs>({
      ...kind,
      replaces: (former, news) => (former.name === news.name ? [] : ["name"]),
      deleteBeforeReplace: true,
      read: async () => undefined,
    });
    assert.deepEqual(await provider.diff("id", olds, { ...olds, name: "other" }), {
      changes: true,
      replaces: ["name"],
      deleteBeforeReplace: true,
    });
    assert.deepEqual(await provider.diff("id", olds, olds), { changes: false });
    assert.deepEqual(await provider.read("id", olds), {});
  });

  it("reports every refusal, and uses the inputs that a check completes", async () => {
    const provider = providerOf<Inputs, Inputs>({
      ...kind,
      check: async (news) => ({ inputs: { ...news, size: 3 }, refusals: ["no", "never"] }),
    });
    assert.deepEqual(await provider.check(olds, olds), {
      inputs: { name: "one", size: 3 },
      failures: [
        { property: "", reason: "no" },
        { property: "", reason: "never" },
      ],
    });
  });
});
