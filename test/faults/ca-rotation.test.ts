/** The CAs of a stack are replaced, those for servers and those for clients, while everybody works. */
import { strict as assert } from "node:assert";
import { Stack } from "../../lab/drive/stack";
import { oneDatabase } from "../lab/lab";
import { ClusterWitness, SMALL_POOLER, serverCaOf } from "./cluster-witness";
import { certificatesIn, servedBy } from "./served-certificate";

const NAME = "ca-stack";

describe("CAs of a stack that are replaced", () => {
  const stack = new Stack(NAME);
  let witness: ClusterWitness;
  const configure = (cas?: string[]) =>
    stack.configure(
      oneDatabase(NAME, {
        instances: 2,
        poolers: [SMALL_POOLER],
        issuer: { type: "tls", ...(cas && { server: cas, client: cas }) },
      }),
    );
  const serverCa = () => serverCaOf(stack, NAME);
  /** One step of the rotation, as far as the platform goes; nothing is left to do after it. */
  const step = async (cas: string[]) => {
    witness.now(cas.join(", "));
    configure(cas);
    await stack.up();
    const reconnected = await witness.reconnect();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    return reconnected;
  };
  const issuedBy = async () => ({
    server: await servedBy(NAME, `${NAME}-rw`),
    pooler: await servedBy(NAME, `pooler-${NAME}-rw`),
  });

  before(async () => {
    configure();
    await stack.init();
    await stack.up();
    witness = await ClusterWitness.of(NAME, `${NAME}-${NAME}`, await serverCa());
  });
  after(async () => {
    await witness?.end();
    await stack.destroy();
    await stack.remove();
  });

  it("trusts a second CA beside the first, which goes on signing", async () => {
    const { standby, pooler } = await step(["first", "second"]);
    assert.deepEqual({ standby, pooler }, { standby: `/CN=${NAME} client CA`, pooler: `/CN=${NAME} client CA` });
    assert.deepEqual(await issuedBy(), { server: `CN=${NAME} server CA`, pooler: `CN=${NAME} server CA` });
    assert.deepEqual(certificatesIn(await serverCa()), [`CN=${NAME} server CA`, `CN=${NAME} server CA second`]);
    witness.trust(await serverCa());
  });

  it("signs with the second, and changes nothing for those who trust both", async () => {
    const trusted = await serverCa();
    const { standby, pooler } = await step(["second", "first"]);
    assert.deepEqual(
      { standby, pooler },
      { standby: `/CN=${NAME} client CA second`, pooler: `/CN=${NAME} client CA second` },
    );
    const second = `CN=${NAME} server CA second`;
    assert.deepEqual(await issuedBy(), { server: second, pooler: second });
    assert.equal(await serverCa(), trusted);
  });

  it("trusts the first no more", async () => {
    await step(["second"]);
    assert.deepEqual(certificatesIn(await serverCa()), [`CN=${NAME} server CA second`]);
    witness.trust(await serverCa());
  });

  it("lost no login, no session, no standby and no pod on the way", async () => {
    await witness.nothingLost(20);
  });

  it("changed the Secrets in place: none was ever missing, empty, or a key that does not fit", () => {
    assert.deepEqual(witness.secrets.problems, []);
    const leaves = [`${NAME}-server-tls`, `${NAME}-replication-tls`, `${NAME}-pooler`, `pooler-${NAME}-rw-tls`];
    for (const leaf of leaves) assert.equal(witness.secrets.changes(leaf), 1, leaf);
    assert.equal(witness.secrets.changes(`${NAME}-server-ca`), 2, "with the second beside it, and without the first");
  });
});
