import { strict as assert } from "node:assert";
import { archiveName, ArchiveNameInputs, ArchiveNameState } from "../../../components/backup/archive-name-operations";
import { BARMAN_CLOUD } from "../../../components/cnpg/object-store";
import { providerOf } from "../../../components/dynamic/converge";
import { KubernetesError } from "../../../components/kubernetes/errors";
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
    const [said, print] = [[] as string[], console.error];
    console.error = (line: string) => void said.push(line);
    try {
      const olds = { ...inputs, archiveName: "orders-2" };
      for (const recoversFrom of [undefined, "orders-1", "orders-2"])
        await provider.diff("id", olds, { ...inputs, recoversFrom });
    } finally {
      console.error = print;
    }
    assert.match(said[0] ?? "", /starts with an EMPTY database.*set recovery\.archiveName to orders-2/);
    assert.match(said[1] ?? "", /is recovered from the archive orders-1.*set recovery\.archiveName to orders-2/);
    assert.match(
      said[2] ?? "",
      /is recovered from the archive orders-2, and gets a new archive\. Run `pulumi refresh`/,
    );
  });

  it("is announced with the data of the primary cluster that a replica cluster starts from", async () => {
    const [said, print] = [[] as string[], console.error];
    console.error = (line: string) => void said.push(line);
    try {
      const olds = { ...inputs, archiveName: "orders-1" };
      await provider.diff("id", olds, { ...inputs, follows: "south", others: ["south-1"] });
      await provider.diff("id", olds, { ...inputs, others: ["south-1"] });
    } finally {
      console.error = print;
    }
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
