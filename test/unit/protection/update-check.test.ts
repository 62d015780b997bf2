/** The check and the preparation before the update of a Cluster or Pooler. */
import { strict as assert } from "node:assert";
import type { KubernetesObject } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { OWNER_LABEL } from "../../../components/owner-label";
import { providerOf } from "../../../components/dynamic/converge";
import {
  updateCheck,
  UpdateCheckInputs,
  UpdateCheckState,
} from "../../../components/protection/update-check-operations";
import { UNKNOWN } from "../../../components/value-check";
import { FakeKubernetes } from "../postgres/fake-kubernetes";
import { printedBy } from "../printed-by";

const HIBERNATION = "cnpg.io/hibernation";

describe("the check before an update", () => {
  const inputs = (more: Partial<UpdateCheckInputs> = {}): UpdateCheckInputs => ({
    ...{
      plural: "clusters",
      namespace: "db",
      object: "orders",
      owner: "acme/pg/prod/orders",
      instances: 2,
      annotations: {},
    },
    image: { name: "postgresql:15", major: 15 },
    ...more,
  });
  const state = (more: Partial<UpdateCheckInputs> = {}): UpdateCheckState => ({ ...inputs(more), prepared: true });
  const later = { image: { name: "postgresql:17", major: 17 } };

  /** A Cluster that was manually scaled to three instances. An upgrade to 17 would fail. */
  function setUp(instances = 3, owner = "acme/pg/prod/orders") {
    const kubernetes = new FakeKubernetes();
    const written: unknown[] = [];
    const managedFields = [
      { manager: "kubectl", fieldsV1: { "f:spec": { "f:instances": {} } } },
      { manager: "kubectl-annotate", fieldsV1: { "f:metadata": { "f:annotations": { [`f:${HIBERNATION}`]: {} } } } },
    ];
    kubernetes.cluster = {
      metadata: { name: "orders", namespace: "db", uid: "uid-1", annotations: { [OWNER_LABEL]: owner }, managedFields },
      spec: { instances },
      status: {
        ...{ phase: "Cluster in healthy state", currentPrimary: "orders-1", readyInstances: instances },
        pgDataImageInfo: { majorVersion: 15 },
      },
    };
    kubernetes.patch = async (...[, fields, manager]: unknown[]) => void written.push([manager, fields]);
    kubernetes.own = async (...[, fields, manager]: unknown[]) => void written.push([manager, fields]);
    kubernetes.answer = ({ script, database }) => {
      if (database === "") return { stdout: "Filesystem\n/dev/a 9 9 9999999 9% /data\n/dev/a 9 9 9999999 9% /data\n" };
      if (script.includes("datallowconn AND NOT")) return "app\n";
      return database === "app" && /(17|99) >= 17/.test(script) ? "functionRights app\n" : "";
    };
    const hibernate = () => (kubernetes.cluster!.metadata.annotations = { [OWNER_LABEL]: owner, [HIBERNATION]: "on" });
    return { ...providerOf(updateCheck(async () => kubernetes)), written, kubernetes, hibernate };
  }

  it("plans a change for another image, and for others' fields that would be refused or removed; for nothing else", async () => {
    const plain = setUp(2);
    const changes = async (more: Partial<UpdateCheckInputs>) => (await plain.diff("id", state(), inputs(more))).changes;
    for (const more of [
      {},
      { context: "renamed" },
      { instances: undefined },
      { annotations: { [HIBERNATION]: "off" } },
    ])
      assert.equal(await changes(more), false, JSON.stringify(more));
    assert.equal(await changes(later), true);
    const unprepared = { ...state(), prepared: undefined } as never;
    assert.equal(
      (await plain.diff("id", unprepared, inputs())).changes,
      true,
      "otherwise the value would stay unknown in previews",
    );
    assert.equal(await changes({ instances: 3 }), true, "kubectl set another number");
    plain.hibernate();
    assert.equal(await changes({}), true);
    plain.kubernetes.get = () => Promise.reject(new KubernetesError("unavailable", "away"));
    assert.equal(await changes({}), true, "the update asks again if there was no answer");
    plain.kubernetes.get = () => Promise.reject(new KubernetesError("access-denied", "no"));
    await assert.rejects(changes({}), /no/);
    plain.kubernetes.cluster = undefined;
    plain.kubernetes.get = async () => undefined;
    assert.equal(await changes({}), false);
  });

  describe("of an existing Cluster's database", () => {
    const bootstrap = (database: string, more: object = {}) => ({ initdb: { database, owner: database, ...more } });
    const refusals = async (
      { kubernetes, check }: ReturnType<typeof setUp>,
      olds: UpdateCheckState | undefined,
      declared = bootstrap("shop"),
    ) => {
      kubernetes.cluster!.spec = { instances: 2, bootstrap: bootstrap("app", { encoding: "UTF8" }) };
      const { failures = [] } = await check(olds!, inputs({ bootstrap: declared }));
      return failures.map(({ reason }) => /created with the database app/.exec(reason)?.[0] ?? reason);
    };

    it("refuses another name, also in a state that does not know the former", async () => {
      const refused = ["created with the database app"];
      assert.deepEqual(await refusals(setUp(2), undefined), refused);
      assert.deepEqual(await refusals(setUp(2), state({ bootstrap: bootstrap("app") })), refused);
      assert.deepEqual(await refusals(setUp(2, "acme/pg/prod/former"), state()), refused, "the database was renamed");
    });

    it("refuses nothing for the same names, and for a Cluster that is somebody else's or has no data yet", async () => {
      assert.deepEqual(await refusals(setUp(2), undefined, bootstrap("app")), []);
      assert.deepEqual(await refusals(setUp(2, "acme/other/prod/orders"), undefined), []);
      const isNew = setUp(0);
      isNew.kubernetes.cluster!.status = { phase: "Setting up primary", readyInstances: 0 };
      assert.deepEqual(await refusals(isNew, state()), []);
      const away = setUp(2);
      away.kubernetes.get = () => Promise.reject(new KubernetesError("unavailable", "away"));
      assert.deepEqual(await refusals(away, state()), []);
    });

    it("says what has no effect", async () => {
      const printed = await printedBy(() => refusals(setUp(2), state(), bootstrap("app", { encoding: "LATIN1" })));
      assert.deepEqual(printed, [
        "Warning: no effect on the existing Cluster db/orders: initdb.encoding. CloudNativePG uses such a setting only when it " +
          "creates a Cluster.",
      ]);
    });
  });

  it("prepares in a create and an update, and returns a value that is not an input", async () => {
    const { create, update, written, hibernate } = setUp();
    hibernate();
    const prepared = [
      ["pulumi-kubernetes", { metadata: { uid: "uid-1", annotations: undefined }, spec: { instances: 2 } }],
      [
        "cnpg-teleport-keeps-by-hand",
        { kind: "Cluster", metadata: { uid: "uid-1", annotations: { [HIBERNATION]: "on" } } },
      ],
    ];
    assert.deepEqual((await create(inputs())).outs, state());
    assert.deepEqual(written.splice(0), prepared);
    assert.deepEqual((await update("id", state(), inputs())).outs, state());
    assert.deepEqual(written.splice(0), prepared);
    await update("id", state(), inputs({ instances: undefined, annotations: { [HIBERNATION]: "off" } }));
    const declared = { metadata: { uid: "uid-1", annotations: { [HIBERNATION]: "off" } } };
    assert.deepEqual(written.splice(0), [["pulumi-kubernetes", declared]]);
  });

  it("does not change somebody else's object, which the next resource reports", async () => {
    const { create, written } = setUp(3, "acme/pg/test/orders");
    await create(inputs());
    assert.deepEqual(written, []);
  });

  it("refuses an image to which an upgrade would fail, in the preview and before anything is changed", async () => {
    const { check, diff, update, written } = setUp();
    const refused = /orders cannot be upgraded to PostgreSQL 17 yet: in the database app .*with the present image/s;
    await assert.rejects(check(inputs(), inputs(later)), refused);
    await assert.rejects(check(undefined as never, inputs(later)), refused, "a state of an earlier release");
    await assert.rejects(update("id", state(), inputs(later)), refused);
    await assert.rejects(providerOf(updateCheck(async () => setUp().kubernetes)).create(inputs(later)), refused);
    await assert.rejects(check(inputs(), inputs({ image: { name: "" } })), /of the operator's choice yet/);
    assert.deepEqual(written, []);
    const killed = { ...state(later) };
    assert.deepEqual((await diff("id", killed, inputs(later))).changes, true, "a run that ended before its change");
    await assert.rejects(update("id", killed, inputs(later)), refused);
    for (const [former, news] of [
      [undefined as never, inputs({ image: { name: "" } })],
      [inputs({ image: { name: "" } }), inputs({ image: { name: "" }, instances: 1 })],
      [inputs(), inputs()],
      [inputs(later), inputs({ image: undefined })],
    ] as const)
      assert.deepEqual((await check(former, news)).inputs, news);
  });

  it("refuses an upgrade that could not be checked, and a preview prints a warning", async () => {
    const { check, update, kubernetes } = setUp();
    kubernetes.exec = () => Promise.reject(new KubernetesError("access-denied", "pods/exec is denied"));
    const printed = await printedBy(() => check(inputs(), inputs(later)));
    assert.deepEqual(printed, [
      "Warning: orders could not be checked before its image is changed: pods/exec is denied",
    ]);
    await assert.rejects(update("id", state(), inputs(later)), /pods\/exec is denied/);
  });

  it("allows another image of the same major version, whatever the state of the Cluster is", async () => {
    const { check, update, kubernetes, hibernate } = setUp(2);
    hibernate();
    Object.assign(kubernetes.cluster!.status!, { phase: "Failing over", readyInstances: 0 });
    const minor = { image: { name: "postgresql:15.9", major: 15 } };
    await check(inputs(), inputs(minor));
    await update("id", state(), inputs(minor));
    assert.deepEqual(kubernetes.ran, []);
  });

  it("ignores a broken image of a Cluster without data, and one that the operator replaces", async () => {
    const { check, kubernetes } = setUp();
    kubernetes.cluster!.status!.readyInstances = 0;
    await check(inputs(), inputs({ image: { name: "" } }));
    kubernetes.cluster!.status!.currentPrimary = undefined;
    await check(inputs(), inputs(later));
  });

  it("looks nothing up in a namespace that a preview does not know yet", async () => {
    const { check, diff, kubernetes } = setUp();
    kubernetes.get = () => Promise.reject(new KubernetesError("access-denied", "no such right in that namespace"));
    const unknown = inputs({ ...later, namespace: UNKNOWN });
    assert.deepEqual((await check(undefined as never, unknown)).inputs, unknown);
    assert.equal((await diff("id", state(), inputs({ namespace: UNKNOWN }))).changes, true);
  });

  it("refuses an upgrade while the Cluster is stopped, because it cannot be checked", async () => {
    const { check, kubernetes, hibernate } = setUp();
    hibernate();
    const refused =
      /to PostgreSQL 17 yet: its instances do not all run: it is hibernated .*Start it with the present image/;
    await assert.rejects(check(inputs(), inputs(later)), refused);
    await assert.rejects(
      check(inputs(), inputs({ image: { name: "" } })),
      /operator's choice yet: its instances do not/,
    );
    kubernetes.cluster!.metadata.annotations = { "cnpg.io/fencedInstances": '["orders-2"]' };
    await assert.rejects(check(inputs(), inputs(later)), /orders-2 is fenced/);
  });

  describe("if volumes are to grow", () => {
    const volumes = (size: string, more = {}) => ({ volumes: { storage: { size, ...more } } });
    /** The Cluster's volumes have 1Gi. */
    function withClaim(expands: boolean | undefined) {
      const setup = setUp(2);
      setup.kubernetes.cluster!.spec!.storage = { size: "1Gi" };
      const get = setup.kubernetes.get.bind(setup.kubernetes);
      setup.kubernetes.get = async (reference) => {
        if (reference.name !== "slow") return get(reference);
        if (expands === undefined) throw new KubernetesError("access-denied", "no");
        return { metadata: { name: "slow" }, allowVolumeExpansion: expands } as KubernetesObject;
      };
      setup.kubernetes.list = async () => [
        {
          metadata: { name: "orders-1", labels: { "cnpg.io/pvcRole": "PG_DATA" } },
          spec: { storageClassName: "slow", resources: { requests: { storage: "1Gi" } } },
          status: { phase: "Bound", capacity: { storage: "1Gi" } },
        },
      ];
      return setup;
    }

    it("refuses a size that the storage class does not allow, in the preview, with claim, sizes and remedies", async () => {
      const { check } = withClaim(false);
      await assert.rejects(
        check(inputs(volumes("1Gi")), inputs(volumes("2Gi"))),
        /db\/orders cannot get the declared volumes.*PersistentVolumeClaim orders-1 has 1Gi, and cannot grow to the 2Gi of storage\.size, because its StorageClass slow does not allow it.*allowVolumeExpansion: true.*resizeInUseVolumes: false/,
      );
    });

    it("allows it if the storage class does, if nobody knows, if volumes in use stay, or if it was written before", async () => {
      for (const expands of [true, undefined])
        await withClaim(expands).check(inputs(volumes("1Gi")), inputs(volumes("2Gi")));
      const { check, kubernetes } = withClaim(false);
      await check(inputs(volumes("1Gi")), inputs(volumes("2Gi", { resizeInUseVolumes: false })));
      kubernetes.cluster!.spec!.storage = { size: "2Gi" };
      await check(inputs(volumes("1Gi")), inputs(volumes("2Gi")));
      kubernetes.get = () => Promise.reject(new Error("nothing is read if nothing changes"));
      await check(inputs(volumes("2Gi")), inputs(volumes("2Gi")));
    });
  });

  it("does nothing for an object that does not exist yet, and deletes nothing", async () => {
    const { create, delete: remove, written, kubernetes } = setUp();
    kubernetes.cluster = undefined;
    await create(inputs());
    await remove("id", state());
    assert.deepEqual(written, []);
    assert.deepEqual(kubernetes.ran, []);
  });
});
