/** The server and client CAs of a stack are replaced while clients are connected. */
import { strict as assert } from "node:assert";
import { Stack } from "../../lab/drive/stack";
import { oneDatabase } from "../lab/lab";
import { ClusterWitness, SMALL_POOLER, serverCaOf } from "./cluster-witness";
import { certificatesIn, servedBy } from "./served-certificate";

const NAME = "ca-stack";

describe("replacing CAs of a stack", () => {
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
  /** One step of the rotation in the platform's stack. Afterwards nothing is left to do. */
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

  it("trusts a second CA next to the first, which still signs", async () => {
    const { standby, pooler } = await step(["first", "second"]);
    assert.deepEqual({ standby, pooler }, { standby: `/CN=${NAME} client CA`, pooler: `/CN=${NAME} client CA` });
    assert.deepEqual(await issuedBy(), { server: `CN=${NAME} server CA`, pooler: `CN=${NAME} server CA` });
    assert.deepEqual(certificatesIn(await serverCa()), [`CN=${NAME} server CA`, `CN=${NAME} server CA second`]);
    witness.trust(await serverCa());
  });

  it("signs with the second CA, and changes nothing for clients that trust both", async () => {
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

  it("no longer trusts the first CA", async () => {
    await step(["second"]);
    assert.deepEqual(certificatesIn(await serverCa()), [`CN=${NAME} server CA second`]);
    witness.trust(await serverCa());
  });

  it("loses no login, no session, no standby and no pod", async () => {
    await witness.nothingLost(20);
  });

  it("changes the Secrets in place: none is ever missing or empty, or has a key that does not match", () => {
    assert.deepEqual(witness.secrets.problems, []);
    const leaves = [`${NAME}-server-tls`, `${NAME}-replication-tls`, `${NAME}-pooler`, `pooler-${NAME}-rw-tls`];
    for (const leaf of leaves) assert.equal(witness.secrets.changes(leaf), 1, leaf);
    assert.equal(witness.secrets.changes(`${NAME}-server-ca`), 2, "with the second beside it, and without the first");
  });
});
