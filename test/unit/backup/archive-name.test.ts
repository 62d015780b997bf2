import { strict as assert } from "node:assert";
import { archiveName, ArchiveNameInputs, ArchiveNameState } from "../../../components/backup/archive-name-operations";
import { BARMAN_CLOUD } from "../../../components/cnpg/object-store";
import { providerOf } from "../../../components/dynamic/converge";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { UNKNOWN } from "../../../components/value-check";
import { printedBy } from "../printed-by";
import { FakeApi } from "../protection/fake-api";

const CLUSTER = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters/orders";
const inputs: ArchiveNameInputs = { namespace: "db", cluster: "orders" };

describe("the name of an archive", () => {
  const api = new FakeApi();
  const provider = providerOf(
    archiveName(
      async () => api,
      () => new Date("2026-11-30T12:36:15.999Z"),
    ),
  );
  const create = async (news = inputs) => (await provider.create(news)).outs as ArchiveNameState;
  const update = async (olds: ArchiveNameState, news = inputs) =>
    (await provider.update("id", olds, news)).outs as ArchiveNameState;
  const refusals = async (news: ArchiveNameInputs) =>
    ((await provider.check(news, news)).failures ?? []).map(({ reason }) => reason);
  /** The Cluster exists, and writes to an archive, if one is given. */
  const exists = (serverName?: string, metadata = {}) => {
    const plugins = serverName === undefined ? [] : [{ name: BARMAN_CLOUD, parameters: { serverName } }];
    api.set({ [CLUSTER]: { metadata: { name: "orders", ...metadata }, spec: { plugins } } });
  };

  beforeEach(() => api.objects.delete(CLUSTER));

  it("is new for each Cluster, and contains the time of its creation", async () => {
    const [one, other] = [await create(), await create()];
    assert.match(one.archiveName, /^orders-20261130-123615-[0-9a-f]{6}$/);
    assert.notEqual(one.archiveName, other.archiveName);
  });

  it("stays while the Cluster writes to it", async () => {
    const olds = await create();
    exists(olds.archiveName);
    assert.deepEqual(await provider.diff("id", olds, inputs), { changes: false });
    assert.equal((await update(olds, { ...inputs, context: "renamed" })).archiveName, olds.archiveName);
  });

  it("is the one that an existing Cluster writes to, even without a state", async () => {
    exists("orders-of-others");
    assert.equal((await create()).archiveName, "orders-of-others");
    const olds = { ...inputs, archiveName: "orders-1" };
    assert.deepEqual(await provider.diff("id", olds, inputs), { changes: true });
    assert.equal((await update(olds)).archiveName, "orders-of-others");
  });

  it("is new for a Cluster that archives nothing, e.g. because somebody else created it again", async () => {
    const olds = { ...inputs, archiveName: "orders-1" };
    exists();
    assert.deepEqual(await provider.diff("id", olds, inputs), { changes: true });
    assert.match((await update(olds)).archiveName, /^orders-20261130/);
  });

  it("is new when the Cluster is gone or being deleted, because the next Cluster has other data", async () => {
    const olds = await create();
    for (const set of [() => {}, () => exists(olds.archiveName, { deletionTimestamp: "now" })]) {
      set();
      assert.deepEqual(await provider.diff("id", olds, inputs), { changes: true });
      assert.notEqual((await update(olds)).archiveName, olds.archiveName);
    }
  });

  it("is announced in a preview, with what a new Cluster starts from and where the latest data are", async () => {
    const said = await printedBy(async () => {
      const olds = { ...inputs, archiveName: "orders-2" };
      for (const recoversFrom of [undefined, "orders-1", "orders-2"])
        await provider.diff("id", olds, { ...inputs, recoversFrom });
    });
    assert.match(said[0] ?? "", /starts with an EMPTY database.*set recovery\.archiveName to orders-2/);
    assert.match(said[1] ?? "", /is recovered from the archive orders-1.*set recovery\.archiveName to orders-2/);
    assert.match(
      said[2] ?? "",
      /is recovered from the archive orders-2, and gets a new archive\. Run `pulumi refresh`/,
    );
  });

  it("is announced with the data of the primary cluster that a replica cluster starts from", async () => {
    const said = await printedBy(async () => {
      const olds = { ...inputs, archiveName: "orders-1" };
      await provider.diff("id", olds, { ...inputs, follows: "south", others: ["south-1"] });
      await provider.diff("id", olds, { ...inputs, others: ["south-1"] });
    });
    assert.match(
      said[0] ?? "",
      /starts with the data of south, and follows it, and gets a new archive\. Run `pulumi refresh`/,
    );
    assert.match(
      said[1] ?? "",
      /EMPTY database.*set recovery\.archiveName to orders-1.*promoted instead, set replica\.primary/,
    );
  });

  it("is refused if the settings say that it is the archive of another Cluster of the topology", async () => {
    exists("orders-1");
    assert.deepEqual(await refusals({ ...inputs, others: ["south-1"] }), []);
    const wrong = { ...inputs, others: ["south-1", "orders-1"] };
    assert.match(
      (await refusals(wrong))[0] ?? "",
      /^replica\.clusters names the archive orders-1 for another Cluster, but the Cluster db\/orders itself writes to it.*output `backup`/,
    );
    await assert.rejects(create(wrong), /itself writes to it/);
  });

  it("can be chosen only for a new Cluster, because only a new Cluster checks that its archive is empty", async () => {
    const declared = { ...inputs, declaredName: "orders-main" };
    assert.deepEqual(await refusals(declared), []);
    assert.equal((await create(declared)).archiveName, "orders-main");
    exists("orders-main");
    assert.deepEqual(await refusals(declared), []);
    exists("orders-1");
    assert.match(
      (await refusals(declared))[0] ?? "",
      /writes to the archive orders-1.*Set backup\.archiveName to orders-1, or remove it/,
    );
    await assert.rejects(create(declared), /writes to the archive orders-1/);
    exists();
    assert.match(
      (await refusals(declared))[0] ?? "",
      /has no archive yet.*Remove backup\.archiveName, and a new name is generated/,
    );
  });

  describe("when the Cluster is upgraded to another major version", () => {
    const of = (major: number, more: Partial<ArchiveNameInputs> = {}) => ({ ...inputs, major, ...more });
    /** The data have this version. */
    const has = (serverName: string, majorVersion: number) => {
      exists(serverName);
      const cluster = api.objects.get(CLUSTER) as object;
      api.set({ [CLUSTER]: { ...cluster, status: { pgDataImageInfo: { majorVersion } } } });
    };

    it("is new, also in a state of an earlier release, and the former archive is not written to again", async () => {
      for (const former of [
        { ...inputs, archiveName: "orders-1" },
        { ...of(15), archiveName: "orders-1" },
      ]) {
        has("orders-1", 15);
        assert.deepEqual(await provider.diff("id", former, of(15)), { changes: false });
        assert.deepEqual(await provider.diff("id", former, of(17)), { changes: true });
        const state = await update(former, of(17));
        assert.match(state.archiveName, /^orders-20261130/);
        has(state.archiveName, 17);
        assert.deepEqual(await provider.diff("id", state, of(17)), { changes: false });
      }
    });

    it("is named once for each upgrade, however often it is tried", async () => {
      has("orders-1", 15);
      const named = await update({ ...of(15), archiveName: "orders-1" }, of(17));
      assert.equal((await update(named, of(17))).archiveName, named.archiveName, "before the Cluster was changed");
      has(named.archiveName, 15);
      assert.deepEqual(await provider.diff("id", named, of(17)), { changes: false }, "while pg_upgrade runs");
      assert.deepEqual(await provider.diff("id", named, of(15)), { changes: true }, "the former image is set again");
      const back = await update(named, of(15));
      assert.equal(back.archiveName, named.archiveName, "the former version has written to it meanwhile");
      assert.notEqual(
        (await update(back, of(17))).archiveName,
        named.archiveName,
        "so the next attempt needs another one",
      );
    });

    it("is new in every preview until the Cluster is changed, which names the former one", async () => {
      has("orders-1", 15);
      const former = { ...of(15), archiveName: "orders-1" };
      const refused = await update(former, of(17));
      for (const olds of [former, refused]) {
        const printed = await printedBy(async () => provider.diff("id", olds, of(17)));
        assert.match(printed.join("\n"), /PostgreSQL 17 begins a new archive\. The archive orders-1 stays/);
      }
    });

    it("is the former one if the upgrade was refused and given up", async () => {
      has("orders-1", 15);
      const named = await update({ ...of(15), archiveName: "orders-1" }, of(17));
      assert.deepEqual(await provider.diff("id", named, of(15)), { changes: true });
      assert.equal((await update(named, of(15))).archiveName, "orders-1");
    });

    it("cannot be the chosen one, because nothing checks that it is empty", async () => {
      has("orders-main", 15);
      const chosen = of(17, { declaredName: "orders-main" });
      const olds = { ...of(15, { declaredName: "orders-main" }), archiveName: "orders-main" };
      const [reason] = ((await provider.check(olds, chosen)).failures ?? []).map((failure) => failure.reason);
      assert.match(
        reason ?? "",
        /backup\.archiveName is orders-main, and PostgreSQL 17 needs a new archive.*replace files of PostgreSQL 15.*Remove backup\.archiveName/,
      );
      await assert.rejects(update(olds, chosen), /needs a new archive/);
    });

    it("is not changed by an image whose version is unknown, or of a Cluster without an archive", async () => {
      has("orders-1", 15);
      const olds = { ...inputs, archiveName: "orders-1" };
      assert.deepEqual(await provider.diff("id", olds, inputs), { changes: false });
      api.set({ [CLUSTER]: { metadata: { name: "orders" }, status: { pgDataImageInfo: { majorVersion: 15 } } } });
      assert.match((await create(of(17))).archiveName, /^orders-20261130/);
    });
  });

  describe("of a running Cluster, in another object store", () => {
    const STORE = "/apis/barmancloud.cnpg.io/v1/namespaces/db/objectstores/prod";
    const place = {
      destinationPath: "s3://backups/prod",
      endpointURL: "https://s3.example.com",
      hasEnvironment: false,
    };
    /** The Cluster writes to an archive in the place. */
    const writes = (serverName: string | undefined, status = {}) => {
      const parameters = { barmanObjectName: "prod", serverName };
      const spec = { plugins: [{ name: BARMAN_CLOUD, parameters }] };
      const { hasEnvironment: _, ...configuration } = place;
      api.set({
        [CLUSTER]: { metadata: { name: "orders" }, spec, status },
        [STORE]: { metadata: { name: "prod" }, spec: { configuration } },
      });
    };
    const moved = (to: object = {}) => refusals({ ...inputs, place: { ...place, ...to } });
    const REFUSAL =
      /another place than .* db\/orders writes to \(ObjectStore prod\).*the name orders there.*remove backup/;

    it("is refused if another Cluster may have an archive of this name there", async () => {
      for (const name of ["orders", undefined]) {
        writes(name);
        assert.match((await moved({ destinationPath: "s3://backups/dev" })).join(), REFUSAL);
        assert.match((await moved({ endpointURL: "https://s3.example.org" })).join(), REFUSAL);
        assert.deepEqual(await moved({ destinationPath: "s3://backups//prod/" }), []);
        assert.deepEqual(await moved({ endpointURL: "https://s3.example.com:443/" }), []);
      }
      const news = { ...inputs, place: { ...place, destinationPath: "s3://backups/dev" } };
      await assert.rejects(create(news), REFUSAL);
    });

    it("is refused also with an upgrade, because the ObjectStore changes before the Cluster", async () => {
      writes("orders", { pgDataImageInfo: { majorVersion: 15 } });
      const news = { ...inputs, major: 17, place: { ...place, destinationPath: "s3://backups/dev" } };
      assert.match((await refusals(news)).join(), REFUSAL);
    });

    it("is not refused if the name was generated, which no other archive has", async () => {
      writes((await create()).archiveName);
      assert.deepEqual(await moved({ destinationPath: "s3://backups/dev" }), []);
    });

    it("is not refused if one of the places is not known", async () => {
      writes("orders");
      assert.deepEqual(await moved({ destinationPath: UNKNOWN }), []);
      assert.deepEqual(await refusals(inputs), []);
      api.objects.delete(STORE);
      assert.deepEqual(await moved({ destinationPath: "s3://backups/dev" }), []);
    });
  });

  it("is assumed to be unchanged while Kubernetes does not answer", async () => {
    const olds = await create();
    const unreachable = providerOf(
      archiveName(async () => {
        throw new KubernetesError("unavailable", "no answer");
      }),
    );
    assert.deepEqual(await unreachable.diff("id", olds, inputs), { changes: false });
    assert.deepEqual((await unreachable.check(olds, { ...inputs, declaredName: "x" })).failures, []);
  });
});
