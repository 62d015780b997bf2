/** What is looked at before a Cluster or Pooler is updated. */
import { strict as assert } from "node:assert";
import { updateCheck, UpdateCheckInputs } from "../../components/update-check-operations";
import { KubernetesError } from "../../components/kubernetes/errors";
import { FakeKubernetes } from "./access/fake-kubernetes";

describe("the check before an update", () => {
  const inputs = (more: Partial<UpdateCheckInputs> = {}): UpdateCheckInputs => ({
    ...{ plural: "clusters", namespace: "db", object: "orders", written: "a", instances: 2 },
    image: { name: "postgresql:15", major: 15 },
    ...more,
  });

  /** A Cluster of three instances, by hand, on which an upgrade to 17 would fail. */
  function setUp() {
    const kubernetes = new FakeKubernetes();
    const patched: object[] = [];
    const managedFields = [{ manager: "kubectl", fieldsV1: { "f:spec": { "f:instances": {} } } }];
    kubernetes.cluster = {
      metadata: { name: "orders", uid: "uid-1", managedFields },
      spec: { instances: 3 },
      status: { currentPrimary: "orders-1", readyInstances: 3 },
    };
    kubernetes.patch = async (...[, fields]: unknown[]) => void patched.push(fields as object);
    kubernetes.answer = ({ script }) =>
      script.includes("datallowconn AND NOT") ? "app\n" : /(17|99) >= 17/.test(script) ? "app\n" : "";
    return { ...updateCheck(async () => kubernetes), patched, kubernetes };
  }

  it("is a change with whatever is written, and with nothing else", async () => {
    const { diff } = setUp();
    const changes = async (more: Partial<UpdateCheckInputs>) => (await diff("id", inputs(), inputs(more))).changes;
    assert.equal(await changes({}), false);
    assert.equal(await changes({ context: "renamed" }), false);
    for (const more of [{ written: "b" }, { instances: 3 }, { instances: undefined }, { image: undefined }])
      assert.equal(await changes(more), true, JSON.stringify(more));
  });

  it("takes the number of instances back, at first and later; not where others may scale", async () => {
    const { create, update, patched } = setUp();
    await create(inputs());
    await update("id", inputs(), inputs({ written: "b" }));
    assert.equal(patched.length, 2);
    await update("id", inputs(), inputs({ written: "b", instances: undefined }));
    assert.equal(patched.length, 2);
  });

  it("refuses an image that cannot be upgraded to, in the preview and before anything is changed", async () => {
    const { check, patched } = setUp();
    const later = inputs({ image: { name: "postgresql:17", major: 17 } });
    const refused = /orders cannot be upgraded to PostgreSQL 17 yet: in the database app .*with the present image/s;
    await assert.rejects(check(inputs(), later), refused);
    await assert.rejects(check(undefined as never, later), refused, "a state of an earlier release");
    await assert.rejects(check(inputs(), inputs({ image: { name: "" } })), /of the operator's choice yet/);
    assert.deepEqual(patched, []);
    for (const [former, news] of [
      [undefined as never, inputs({ image: { name: "" } })],
      [inputs({ image: { name: "" } }), inputs({ image: { name: "" }, written: "b" })],
      [inputs(), inputs()],
      [later, inputs({ image: undefined })],
    ] as const)
      assert.deepEqual(await check(former, news), { inputs: news });
  });

  it("refuses an upgrade that could not be checked, unless the Cluster does not serve: the image may be what is wrong", async () => {
    const { check, kubernetes } = setUp();
    const later = inputs({ image: { name: "postgresql:17", major: 17 } });
    kubernetes.exec = () => Promise.reject(new KubernetesError("access-denied", "pods/exec is denied"));
    await assert.rejects(check(inputs(), later), /pods\/exec is denied/);
    kubernetes.cluster!.status!.readyInstances = 0;
    await check(inputs(), later);
  });

  it("makes nothing of an object that is not there yet, and deletes none", async () => {
    const { create, delete: remove, patched, kubernetes } = setUp();
    kubernetes.cluster = undefined;
    await create(inputs());
    await remove("id", inputs());
    assert.deepEqual(patched, []);
    assert.deepEqual(kubernetes.ran, []);
  });
});
