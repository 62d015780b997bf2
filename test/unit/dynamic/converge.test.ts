import { strict as assert } from "node:assert";
import { providerOf, ResourceKind } from "../../../components/dynamic/converge";
import { UNKNOWN } from "../../../components/value-check";

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

  describe("with another kubeconfig", () => {
    interface Reaching extends Inputs {
      kubeconfig?: string;
      found?: string;
    }
    const state: Reaching = { ...olds, kubeconfig: "old", found: "in Kubernetes" };
    const made = (further: Partial<ResourceKind<Reaching>>) => {
      const applied: Reaching[] = [];
      const apply = async (inputs: Reaching) => (applied.push(inputs), inputs);
      return {
        applied,
        provider: providerOf<Reaching, Reaching>({ ...kind, read: async () => state, apply, ...further }),
      };
    };

    it("stores it, and applies nothing", async () => {
      const { applied, provider } = made({ differs: async () => false });
      const news = { ...olds, kubeconfig: "new" };
      assert.deepEqual(await provider.diff("id", state, news), { changes: true });
      assert.deepEqual(await provider.update("id", state, news), { outs: { ...state, kubeconfig: "new" } });
      const { kubeconfig: _, ...without } = state;
      assert.deepEqual(await provider.diff("id", state, olds), { changes: true });
      assert.deepEqual(await provider.update("id", state, olds), { outs: without });
      assert.deepEqual(await provider.diff("id", without, news), { changes: true });
      assert.deepEqual(await provider.update("id", without, news), { outs: { ...state, kubeconfig: "new" } });
      assert.deepEqual(applied, []);
    });

    it("applies what is declared otherwise, and what has drifted", async () => {
      const { applied, provider } = made({ differs: async ({ name }) => name === "drifted" });
      const changed = [
        { ...olds, kubeconfig: "new", size: 2 },
        { ...olds, kubeconfig: "new", name: "drifted" },
      ];
      for (const news of changed) assert.deepEqual(await provider.update("id", state, news), { outs: news });
      assert.deepEqual(applied, changed);
    });

    it("changes nothing while it is the same, or not known yet", async () => {
      const { provider } = made({});
      for (const kubeconfig of ["old", UNKNOWN])
        assert.deepEqual(await provider.diff("id", state, { ...olds, kubeconfig }), { changes: false });
    });

    it("changes nothing of what does not need it later", async () => {
      const { provider } = made({ read: undefined });
      assert.deepEqual(await provider.diff("id", state, { ...olds, kubeconfig: "new" }), { changes: false });
      const removed = made({ read: undefined, remove: async () => {} });
      assert.deepEqual(await removed.provider.diff("id", state, { ...olds, kubeconfig: "new" }), { changes: true });
    });
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

  it("replaces nothing because of an input that a preview does not know yet", async () => {
    const replaces = (former: Inputs, news: Inputs) =>
      (["name", "size"] as const).filter((key) => former[key] !== news[key]);
    const provider = providerOf<Inputs, Inputs>({ ...kind, replaces });
    assert.deepEqual(await provider.diff("id", olds, { ...olds, name: UNKNOWN }), { changes: false });
    assert.deepEqual(await provider.diff("id", olds, { name: UNKNOWN, size: 2 }), {
      changes: true,
      replaces: ["size"],
    });
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
