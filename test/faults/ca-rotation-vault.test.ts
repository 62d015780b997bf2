/**
 * The CAs in Vault are replaced while clients are connected: the server CA by one in another mount, the client CA by
 * another issuer of the same mount. The program may only have requests signed.
 */
import { strict as assert } from "node:assert";
import { Stack } from "../../lab/drive/stack";
import { asRoot, removeProgram } from "../lab/app-vault";
import { oneDatabase } from "../lab/lab";
import { ClusterWitness, SMALL_POOLER, serverCaOf } from "./cluster-witness";
import { certificatesIn, servedBy } from "./served-certificate";
import { makeMount, makeRole, makeRoot, makeSigningProgram, removeMounts } from "./vault-authorities";

const NAME = "ca-vault";
const SERVERS = "ca-servers";
const NEXT_SERVERS = "ca-servers-next";
const CLIENTS = "ca-clients";
const PROGRAM = "ca-program";

const servers = { former: { mount: SERVERS, role: "server" }, next: { mount: NEXT_SERVERS, role: "server" } };
const clients = {
  former: { mount: CLIENTS, role: "client" },
  next: { mount: CLIENTS, role: "client-next", issuer: "next" },
};

describe("replacing CAs in Vault", () => {
  const environment: NodeJS.ProcessEnv = {};
  const stack = new Stack(NAME, { env: environment });
  let witness: ClusterWitness;
  const configure = (server: unknown, client: unknown) =>
    stack.configure(
      oneDatabase(NAME, {
        instances: 2,
        poolers: [SMALL_POOLER],
        issuer: { type: "vault", server, client },
      }),
    );
  const serverCa = () => serverCaOf(stack, NAME);
  const step = async (during: string, server: unknown, client: unknown) => {
    witness.now(during);
    configure(server, client);
    await stack.up();
    const reconnected = await witness.reconnect();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    return [reconnected.standby, reconnected.pooler];
  };

  before(async () => {
    for (const mount of [SERVERS, NEXT_SERVERS, CLIENTS]) await makeMount(mount);
    await makeRoot(SERVERS, "servers", "former");
    await makeRole(SERVERS, "server", "server");
    await makeRoot(CLIENTS, "clients", "former");
    await makeRole(CLIENTS, "client", "client");
    const roles = [`${SERVERS}/sign/server`, `${NEXT_SERVERS}/sign/server`, `${CLIENTS}/sign/client`];
    Object.assign(environment, await makeSigningProgram(PROGRAM, [...roles, `${CLIENTS}/sign/client-next`]));
    configure(servers.former, clients.former);
    await stack.init();
    await stack.up();
    witness = await ClusterWitness.of(NAME, `${NAME}-${NAME}`, await serverCa());
  });
  after(async () => {
    await witness?.end();
    await stack.destroy();
    await stack.remove();
    await removeMounts([SERVERS, NEXT_SERVERS, CLIENTS]);
    await removeProgram(PROGRAM);
  });

  it("says which CA cannot be read while it does not exist", async () => {
    configure([servers.former, servers.next], clients.former);
    const result = await stack.pulumi(["preview"]);
    assert.notEqual(result.code, 0);
    assert.match(result.output, /issuer\.server: the CA of ca-servers-next, which must be trusted, /);
  });

  it("trusts the new CAs next to the former ones, which still sign", async () => {
    await makeRoot(NEXT_SERVERS, "next servers", "next");
    await makeRole(NEXT_SERVERS, "server", "server");
    await makeRoot(CLIENTS, "next clients", "next");
    await makeRole(CLIENTS, "client-next", "client", "next");
    const issuers = await step("both", [servers.former, servers.next], [clients.former, clients.next]);
    assert.deepEqual(issuers, ["/CN=clients", "/CN=clients"]);
    assert.equal(await servedBy(NAME, `${NAME}-rw`), "CN=servers");
    assert.deepEqual(certificatesIn(await serverCa()), ["CN=next servers", "CN=servers"]);
    witness.trust(await serverCa());
  });

  it("signs with the new CAs, and changes nothing for clients that trust both", async () => {
    const trusted = await serverCa();
    const issuers = await step("signed anew", [servers.next, servers.former], [clients.next, clients.former]);
    assert.deepEqual(issuers, ["/CN=next clients", "/CN=next clients"]);
    for (const service of [`${NAME}-rw`, `pooler-${NAME}-rw`])
      assert.equal(await servedBy(NAME, service), "CN=next servers");
    assert.equal(await serverCa(), trusted);
  });

  it("no longer trusts the former CAs, which may be deleted then", async () => {
    await step("next only", servers.next, clients.next);
    assert.deepEqual(certificatesIn(await serverCa()), ["CN=next servers"]);
    witness.trust(await serverCa());
    await asRoot("DELETE", `sys/mounts/${SERVERS}`);
    await asRoot("DELETE", `${CLIENTS}/issuer/former`);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("loses no login, no session, no standby and no pod", async () => {
    await witness.nothingLost(20);
    assert.deepEqual(witness.secrets.problems, []);
    for (const leaf of [`${NAME}-server-tls`, `${NAME}-replication-tls`, `${NAME}-pooler`, `pooler-${NAME}-rw-tls`])
      assert.equal(witness.secrets.changes(leaf), 1, leaf);
  });
});
