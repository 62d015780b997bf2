/** Fields that others wrote, before Pulumi's provider applies what is declared. */
import { strict as assert } from "node:assert";
import { DeclaredFields, KEPT_ANNOTATIONS_MANAGER, preparationFor } from "../../../components/cnpg/foreign-fields";

const HIBERNATION = "cnpg.io/hibernation";
const FENCING = "cnpg.io/fencedInstances";

describe("fields that others wrote", () => {
  /** The preparation for fields with these values and field managers. */
  function prepared(
    { instances, ...annotations }: Record<string, [value: unknown, ...managers: string[]]>,
    declared: DeclaredFields = {},
  ) {
    const owned = Object.entries(annotations).flatMap(([annotation, [, ...managers]]) =>
      managers.map((manager) => ({
        manager,
        fieldsV1: { "f:metadata": { "f:annotations": { [`f:${annotation}`]: {} } } },
      })),
    );
    const [number, ...scalers] = instances ?? [1, "pulumi-kubernetes-0123"];
    const managedFields = [
      { manager: "operator", fieldsV1: { "f:status": {} } },
      ...scalers.map((manager) => ({ manager, fieldsV1: { "f:spec": { "f:instances": {} } } })),
      ...owned,
    ];
    const values = Object.fromEntries(Object.entries(annotations).map(([key, [value]]) => [key, value]));
    const metadata = { name: "orders", namespace: "db", annotations: values, managedFields };
    const { messages, ...rest } = preparationFor(
      { metadata, spec: { instances: number } },
      { annotations: {}, ...declared },
    );
    return { ...rest, printed: messages.join("\n") };
  }
  const nothing = { changed: {}, kept: {}, isNeeded: false, printed: "" };

  it("are reset to the declared number of instances, whoever set another number", () => {
    for (const managers of [["kubectl"], ["pulumi-kubernetes-0123", "kubectl"], ["by-hand"]]) {
      const { printed, ...rest } = prepared({ instances: [3, ...managers] }, { instances: 2 });
      assert.deepEqual(rest, { changed: { spec: { instances: 2 } }, kept: {}, isNeeded: true }, managers.join());
      assert.match(printed, /^db\/orders was scaled to 3 by \S+\. It gets 2 again.*scaledByOthers: true/);
    }
  });

  it("need no preparation if the provider owns them, or if the settings leave them to others", () => {
    assert.deepEqual(prepared({ instances: [3, "pulumi-kubernetes-0123"] }, { instances: 2 }), nothing);
    assert.deepEqual(prepared({ instances: [2, "kubectl"] }, { instances: 2 }), nothing);
    assert.deepEqual(prepared({ instances: [3, "kubectl"] }), nothing);
    for (const manager of ["by-hand", "pulumi-kubernetes-0123"])
      assert.deepEqual(prepared({ [HIBERNATION]: ["on", manager] }), nothing, manager);
    assert.deepEqual(prepared({ other: ["on", "kubectl-annotate"] }), nothing);
    const pooler = prepared({ [HIBERNATION]: ["on", "kubectl-annotate"] }, { annotations: undefined });
    assert.deepEqual(pooler, nothing, "a Pooler is never hibernated");
    assert.deepEqual(prepared({}, { annotations: { [HIBERNATION]: "on" } }), nothing);
  });

  it("get another owner if they stop instances and are not declared, so that the provider does not remove them", () => {
    for (const manager of ["kubectl-annotate", "kubectl-cnpg", "kubectl", "before-first-apply"]) {
      const kept = { [HIBERNATION]: "on", [FENCING]: '["orders-1"]' };
      const found = prepared({ [HIBERNATION]: ["on", manager], [FENCING]: ['["orders-1"]', manager] });
      assert.deepEqual(found, { changed: {}, kept, isNeeded: true, printed: "" }, manager);
    }
  });

  it("keep that owner, also if one of them is later declared with the same value", () => {
    const kept = { [HIBERNATION]: "on" };
    assert.deepEqual(prepared({ [HIBERNATION]: ["on", KEPT_ANNOTATIONS_MANAGER] }), { ...nothing, kept });
    assert.deepEqual(prepared({ [HIBERNATION]: ["on", KEPT_ANNOTATIONS_MANAGER, "kubectl-annotate"] }), {
      ...nothing,
      kept,
    });
    const both = { [HIBERNATION]: ["on", KEPT_ANNOTATIONS_MANAGER], [FENCING]: ["[]", "kubectl-cnpg"] } as Parameters<
      typeof prepared
    >[0];
    const found = prepared(both, { annotations: { [HIBERNATION]: "on" } });
    assert.deepEqual(found, { ...nothing, kept: { [HIBERNATION]: "on", [FENCING]: "[]" }, isNeeded: true });
  });

  it("are reset to the declared annotations that stop instances, with a message", () => {
    for (const manager of ["kubectl-annotate", "by-hand", KEPT_ANNOTATIONS_MANAGER]) {
      const { printed, ...rest } = prepared(
        { [HIBERNATION]: ["on", manager] },
        { annotations: { [HIBERNATION]: "off" } },
      );
      assert.deepEqual(rest, { changed: { annotations: { [HIBERNATION]: "off" } }, kept: {}, isNeeded: true }, manager);
      assert.match(printed, /annotation cnpg\.io\/hibernation: "on", which \S+ wrote\. It gets "off", as declared/);
    }
    const provider = prepared(
      { [HIBERNATION]: ["on", "pulumi-kubernetes-1"] },
      { annotations: { [HIBERNATION]: "off" } },
    );
    assert.deepEqual(provider, nothing);
  });
});
