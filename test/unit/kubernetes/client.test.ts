/** The adapter against a stand-in of the API server. */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, IncomingMessage, Server } from "node:http";
import { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiReader, apiValidator, apiWriter, kubernetesClient } from "../../../components/kubernetes/client";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { UNKNOWN } from "../../../components/value-check";

interface Answer {
  code: number;
  text: string;
}

describe("the client of the Kubernetes API", () => {
  const folder = mkdtempSync(join(tmpdir(), "kubernetes-client-"));
  const kubeconfig = process.env.KUBECONFIG;
  const asked: { method: string; url: string; body: string }[] = [];
  let answer: (request: IncomingMessage) => Answer;
  let server: Server;

  before(async () => {
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        asked.push({ method: request.method ?? "", url: request.url ?? "", body });
        const { code, text } = answer(request);
        response.writeHead(code, { "content-type": "application/json" }).end(text);
      });
    });
    server.on("upgrade", (request: IncomingMessage, socket) => {
      socket.end(`HTTP/1.1 ${answer(request).code} Refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const file = join(folder, "kubeconfig");
    const cluster = {
      server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      "insecure-skip-tls-verify": true,
    };
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user: { token: "t" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    process.env.KUBECONFIG = file;
  });
  after(async () => {
    if (kubeconfig === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = kubeconfig;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => asked.splice(0));

  const client = () => kubernetesClient({}, { delays: [], limit: 5_000 });

  it("uses a kubeconfig that is given, and not the environment's, in a context of it", async () => {
    const text = readFileSync(join(folder, "kubeconfig"), "utf8");
    const { contexts, ...rest } = JSON.parse(text) as { contexts: { name: string; context: object }[] };
    const named = [
      { ...contexts[0], name: "y" },
      { name: "z", context: { cluster: "none", user: "u" } },
    ];
    const given = JSON.stringify({ ...rest, contexts: named, "current-context": "z" });
    answer = () => ({ code: 200, text: '{"metadata":{"name":"orders"}}' });
    const reference = { apiVersion: "v1", plural: "pods", namespace: "db", name: "orders" };
    try {
      process.env.KUBECONFIG = join(folder, "none");
      const read = async (context?: string) =>
        (await kubernetesClient({ kubeconfig: given, context }, { delays: [] })).get(reference);
      assert.equal((await read("y"))?.metadata.name, "orders");
      assert.equal(asked.length, 1);
      await assert.rejects(read(), { failure: "configuration", message: /no cluster for its current context/ });
      const message =
        "The kubeconfig has no context x, only y, z. Set kubernetes.context to one of them, or kubernetes.kubeconfig to another kubeconfig.";
      await assert.rejects(read("x"), { failure: "configuration", message });
    } finally {
      process.env.KUBECONFIG = join(folder, "kubeconfig");
    }
  });

  it("asks for no data of Secrets if only their metadata is wanted", async () => {
    const accepted: unknown[] = [];
    answer = ({ headers }) => {
      accepted.push(headers.accept);
      return { code: 200, text: '{"items":[]}' };
    };
    const { read } = await apiReader({}, { delays: [] });
    await read("/api/v1/namespaces/db/secrets", "metadata");
    await read("/api/v1");
    assert.deepEqual(accepted, [
      "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
      "application/json, */*",
    ]);
  });

  it("asks nobody while the kubeconfig is not known yet", async () => {
    for (const connect of [kubernetesClient, apiReader, apiValidator, apiWriter])
      await assert.rejects(connect({ kubeconfig: UNKNOWN }, { delays: [] }), { failure: "unavailable" });
    assert.deepEqual(asked, []);
  });

  const command = {
    namespace: "db",
    pod: "orders-1",
    container: "postgres",
    command: ["psql", "-c", "a b"],
    input: "x",
  };
  const status = (code: number, message: string): Answer => ({
    code,
    text: JSON.stringify({ kind: "Status", message }),
  });
  const refusalOf = async (given: Answer): Promise<KubernetesError> => {
    answer = () => given;
    const error: unknown = await (await client()).exec(command).catch((reason: unknown) => reason);
    assert.ok(error instanceof KubernetesError, String(error));
    return error;
  };

  it("reports the policy's words if it forbids commands, for every status code that a policy can use", async () => {
    const words = "ValidatingAdmissionPolicy 'no-exec' with binding 'no-exec' denied request: nobody runs commands";
    for (const code of [400, 403, 422]) {
      const error = await refusalOf(status(code, `pods "orders-1" is forbidden: ${words}`));
      assert.equal(error.failure, "access-denied");
      assert.match(error.message, /^Running psql in pod db\/orders-1 was refused by an admission policy/);
      assert.ok(error.message.includes("nobody runs commands"), error.message);
      assert.match(error.message, /"Kubernetes rights"/);
    }
    const webhook = await refusalOf(status(400, 'admission webhook "guard.example.com" denied the request: ask first'));
    assert.equal(webhook.failure, "access-denied");
    assert.match(webhook.message, /ask first/);
    const { method, url } = asked.at(-1)!;
    assert.equal(method, "GET");
    assert.match(
      url,
      /exec\?container=postgres&stdout=true&stderr=true&stdin=true&command=psql&command=-c&command=a\+b$/,
    );
  });

  it("names the missing right to run commands", async () => {
    const error = await refusalOf(
      status(403, 'pods "orders-1" is forbidden: User "ci" cannot get resource "pods/exec"'),
    );
    assert.match(
      error.message,
      /was denied \(403\): .*User "ci" cannot get resource "pods\/exec".*"Kubernetes rights"/,
    );
  });

  it("does not report a missing pod as a missing right", async () => {
    const error = await refusalOf(status(404, 'pods "orders-1" not found'));
    assert.equal(error.failure, "failed");
    assert.match(error.message, /pods "orders-1" not found/);
  });

  it("reads the end of a container's log", async () => {
    answer = () => ({ code: 200, text: "one\ntwo\n" });
    const pod = { namespace: "db", name: "orders-1-initdb-x", container: "initdb" };
    assert.equal(await (await client()).log(pod), "one\ntwo\n");
    assert.match(
      asked[0]!.url,
      /^\/api\/v1\/namespaces\/db\/pods\/orders-1-initdb-x\/log\?container=initdb&tailLines=/,
    );
    answer = () => status(404, "not found");
    assert.equal(await (await client()).log(pod), undefined);
    answer = () => status(403, "forbidden");
    await assert.rejects((await client()).log(pod), { failure: "access-denied" });
  });

  it("deletes only the object with the given UID", async () => {
    const job = { apiVersion: "batch/v1", plural: "jobs", namespace: "db", name: "orders-1-initdb" };
    for (const code of [200, 404, 409]) {
      answer = () => status(code, "");
      await (await client()).remove(job, "uid-1");
    }
    assert.equal(asked[0]!.method, "DELETE");
    assert.equal(asked[0]!.url, "/apis/batch/v1/namespaces/db/jobs/orders-1-initdb");
    assert.deepEqual(JSON.parse(asked[0]!.body), { propagationPolicy: "Background", preconditions: { uid: "uid-1" } });
    answer = () => status(403, "no");
    await assert.rejects((await client()).remove(job, "uid-1"), { failure: "access-denied" });
  });

  it("does a strict dry run, and returns the answer unchanged", async () => {
    answer = () => status(422, "is invalid");
    const api = await apiValidator({}, { delays: [], limit: 5_000 });
    const answered = await api.dryRun("/api/v1/namespaces/db/pods", { kind: "Pod" });
    assert.deepEqual(answered, status(422, "is invalid"));
    const [{ method, url, body } = { method: "", url: "", body: "" }] = asked;
    assert.deepEqual([method, url], ["POST", "/api/v1/namespaces/db/pods?dryRun=All&fieldValidation=Strict"]);
    assert.deepEqual(JSON.parse(body), { kind: "Pod" });
  });
});
