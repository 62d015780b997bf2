import { strict as assert } from "node:assert";
import { archiveName, ArchiveNameInputs, ArchiveNameState } from "../../../components/backup/archive-name-operations";
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

  beforeEach(() => api.objects.delete(CLUSTER));

  it("is new for each Cluster, and says when it began", async () => {
    const [one, other] = [await create(), await create()];
    assert.match(one.archiveName, /^orders-20261130-123615-[0-9a-f]{6}$/);
    assert.notEqual(one.archiveName, other.archiveName);
  });

  it("stays while the Cluster exists", async () => {
    const olds = await create();
    api.set({ [CLUSTER]: { metadata: { name: "orders" } } });
    assert.deepEqual(await provider.diff("id", olds, inputs), { changes: false });
    assert.equal((await update(olds, { ...inputs, context: "renamed" })).archiveName, olds.archiveName);
  });

  it("is replaced when the Cluster is gone, since the next one has other data", async () => {
    const olds = await create();
    assert.deepEqual(await provider.diff("id", olds, inputs), { changes: true });
    assert.notEqual((await update(olds)).archiveName, olds.archiveName);
  });

  it("is the declared one if there is one, and a new one when that is removed", async () => {
    const declared = { ...inputs, declaredName: "orders-main" };
    const olds = await create(declared);
    assert.equal(olds.archiveName, "orders-main");
    assert.deepEqual(await provider.diff("id", olds, declared), { changes: false });
    api.set({ [CLUSTER]: { metadata: { name: "orders" } } });
    assert.notEqual((await update(olds)).archiveName, "orders-main");
  });

  it("counts as unchanged while Kubernetes does not answer", async () => {
    const olds = await create();
    const unreachable = providerOf(
      archiveName(async () => {
        throw new KubernetesError("unavailable", "no answer");
      }),
    );
    assert.deepEqual(await unreachable.diff("id", olds, inputs), { changes: false });
  });
});
