/** A plain `up` renews all certificates of a Cluster, when they are due and after they have expired. */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { logIn } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { eventually, kubectl, loginAs, oneDatabase, sqlAsSuperuser } from "../lab/lab";
import { ClusterWitness, SMALL_POOLER, serverCaOf } from "./cluster-witness";
import { expired } from "./expired-certificate";
import { eventuallyServed, leafOf, leafSecrets, replaceCertificate, serialNumbers } from "./leaf-secrets";
import { hoursLater } from "./moved-clock";

const NAME = "ca-renewal";
const EXPLICIT = "ca-explicit";
const LEAVES = leafSecrets(NAME, EXPLICIT);
const DAY = 24;

interface State {
  deployment: { resources: { urn: string; outputs?: Record<string, unknown> }[] };
}

describe("certificates from @pulumi/tls", () => {
  const stack = new Stack(NAME);
  let witness: ClusterWitness;
  const serials = () => serialNumbers(NAME, LEAVES);
  const isServed = () => eventuallyServed(NAME, EXPLICIT);
  const login = () => logIn(loginAs("reader", `${NAME}-${NAME}`, "app"), "SELECT 1");

  before(async () => {
    const poolers = [SMALL_POOLER, { ...SMALL_POOLER, name: EXPLICIT, authentication: "explicit" }];
    stack.configure(oneDatabase(NAME, { instances: 2, poolers }));
    await stack.init();
    await stack.up();
    witness = await ClusterWitness.of(NAME, `${NAME}-${NAME}`, await serverCaOf(stack, NAME));
  });
  after(async () => {
    await witness?.end();
    await stack.destroy();
    await stack.remove();
  });

  it("are not changed a day before they are due", async () => {
    assert.equal(await hoursLater(stack, 59 * DAY), LEAVES.length);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("are all renewed by a plain `up` when they are due, and nothing is left to do", async () => {
    const before = await serials();
    await hoursLater(stack, DAY);
    witness.now("renewal");
    await stack.up();
    const renewed = await serials();
    for (const [index, serial] of renewed.entries()) assert.notEqual(serial, before[index], LEAVES[index]);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await isServed();
    await witness.reconnect();
  });

  it("are renewed without the loss of a login, a session or a pod", async () => {
    await witness.nothingLost();
    assert.deepEqual(witness.secrets.problems, []);
  });

  it("are repaired by one `up` after they have expired and the Cluster is broken", async () => {
    await expire();
    await eventually("nobody is let in any more", async () => (await login()).code !== 0);
    assert.match((await login()).output, /expired/);
    const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication";
    const streaming = async () =>
      (await sqlAsSuperuser(NAME, "postgres", "SELECT count(*) FROM pg_stat_replication")).trim() === "1";
    await sqlAsSuperuser(NAME, "postgres", end);
    // The standby tries every few seconds, and is refused.
    await eventually("the standby is refused", async () =>
      /certificate (verify failed|has expired)|expired certificate/.test(
        await kubectl("-n", NAME, "logs", await standby(), "--tail=60"),
      ),
    );
    assert.ok(!(await streaming()));

    await stack.up();
    await isServed();
    await eventually("the standby streams again", streaming);
    const mended = await login();
    assert.equal(mended.code, 0, mended.output);
    await witness.samePods();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  async function standby(): Promise<string> {
    const pods = ["-n", NAME, "get", "pods", "-l", `cnpg.io/cluster=${NAME},cnpg.io/instanceRole=replica`];
    return kubectl(...pods, "-o", "jsonpath={.items[0].metadata.name}");
  }

  /** As if nobody had run the program for 90 days: in the Secrets and in the state. */
  async function expire(): Promise<void> {
    const exported = (await stack.pulumi(["stack", "export", "--show-secrets"])).stdout;
    const { resources } = (JSON.parse(exported) as State).deployment;
    const output = (kind: string, name: string, key: string) => {
      const value = resources.find(({ urn }) => urn.endsWith(`${kind}::${name}`))?.outputs?.[key];
      const { plaintext } = (value ?? {}) as { plaintext?: string };
      return plaintext === undefined ? (value as string) : (JSON.parse(plaintext) as string);
    };
    for (const secret of LEAVES) {
      const leaf = await leafOf(NAME, secret);
      const { subjectAltName = "", keyUsage = [] } = new X509Certificate(leaf.certificate);
      const use = keyUsage.includes("1.3.6.1.5.5.7.3.1") ? "server" : "client";
      const ca = {
        certificate: output("SelfSignedCert", `${NAME}-${use}-ca`, "certPem"),
        key: output("PrivateKey", `${NAME}-${use}-ca`, "privateKeyPem"),
      };
      const names = [...subjectAltName.matchAll(/DNS:([^,]+)/g)].map(([, name]) => name ?? "");
      await replaceCertificate(NAME, secret, await expired(leaf, ca, `${use}Auth`, names));
    }
    await hoursLater(stack, 91 * DAY);
  }
});
