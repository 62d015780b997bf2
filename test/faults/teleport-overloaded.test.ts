/**
 * A Teleport that answers 429. The server is a stand-in with a certificate of the lab's CA: 13.3.8 has no such limit
 * at its public endpoints by default, and answered several hundred requests in a row. `tctl` is the real one.
 */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { createServer, Server } from "node:https";
import { AddressInfo } from "node:net";
import { operations } from "../../components/operations";
import { withTeleport } from "../../components/teleport/client/tctl";
import { ensureServerCertificate } from "../../lab/certificates";

describe("a Teleport that answers 429", () => {
  let server: Server;
  let proxy: string;

  before(async () => {
    const { key, certificate } = await ensureServerCertificate("teleport");
    server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_request, answer) => {
      answer.writeHead(429).end("rate limit exceeded");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    proxy = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => void server.close());

  it("is reported as one that limits the rate of requests, which `tctl` does not say", async () => {
    await assert.rejects(
      withTeleport({ proxy }, (client) => client.get("db"), []),
      {
        failure: "unavailable",
        message: `tctl get at ${proxy} failed: it cannot connect (it answers 429: it limits the rate of requests). Check that Teleport answers at ${proxy}, then run the command again; no progress is lost.`,
      },
    );
  });

  for (const source of ["identity", "proxy"] as const)
    it(`does not block an \`up\` that has a CA from the last run, and is reported without one, read from: ${source}`, async () => {
      const asked = { proxy, ...(source === "proxy" ? { source } : {}) };
      const known = { ...asked, cluster: "lab", certificates: ["known before"] };
      assert.deepEqual((await operations.certAuthority.check(known, asked)).inputs, known);
      await assert.rejects(
        operations.certAuthority.check({} as typeof known, asked),
        /answer(s|ed) 429.* limits the rate of requests/,
      );
    });
});
