/** A separate Kubernetes API server for a test, without an operator, nodes and controllers. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "../../lab/build/tools";
import { run } from "../../lab/host/command";
import { freePort } from "../../lab/host/free-port";
import { eventually } from "../lab/lab";
import { OwnProcess, startServer } from "./own-process";

export class BareKubernetes {
  private readonly folder = mkdtempSync(join(tmpdir(), "bare-kubernetes-"));
  private readonly processes: OwnProcess[] = [];
  private readonly token = randomBytes(24).toString("hex");
  private port = 0;

  /** The kubeconfig of its administrator. */
  readonly kubeconfig = join(this.folder, "kubeconfig");

  static async start(): Promise<BareKubernetes> {
    const made = new BareKubernetes();
    try {
      await made.startServers();
    } catch (error) {
      await made.end();
      throw error;
    }
    return made;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  kubectl(args: string[], input?: string): Promise<string> {
    return run("kubectl", args, { env: { KUBECONFIG: this.kubeconfig, HOME: this.folder }, input });
  }

  /** Creates a CustomResourceDefinition, in JSON or YAML, and waits until its objects are served. */
  async define(definition: string): Promise<void> {
    const name = (await this.kubectl(["create", "-f", "-", "-o", "name"], definition)).trim();
    // Neither `kubectl wait` nor a filter accepts one that has no conditions yet.
    const isServed = async () => {
      const found = await this.kubectl(["get", name, "-o", "json"]);
      const { status } = JSON.parse(found) as { status?: { conditions?: { type: string; status: string }[] | null } };
      return status?.conditions?.some((each) => each.type === "Established" && each.status === "True") ?? false;
    };
    await eventually("the definition is served", isServed, 60_000);
  }

  /** A kubeconfig with another address than the server's: that of a proxy in front of it. */
  kubeconfigFor(address: string, context = "bare"): string {
    const file = join(this.folder, `kubeconfig-${address.replace(":", "-")}`);
    const cluster = { server: `https://${address}`, "certificate-authority": join(this.folder, "apiserver.crt") };
    const text = JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: context, cluster }],
      users: [{ name: "admin", user: { token: this.token } }],
      contexts: [{ name: context, context: { cluster: context, user: "admin" } }],
      "current-context": context,
    });
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  async end(): Promise<void> {
    for (const process of this.processes.reverse()) await process.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async startServers(): Promise<void> {
    const [clients, peers, port] = await Promise.all([freePort(), freePort(), freePort()]);
    this.port = port;
    const url = (at: number) => `http://127.0.0.1:${at}`;
    const etcd = [
      tool("etcd"),
      `--data-dir=${join(this.folder, "etcd")}`,
      "--unsafe-no-fsync",
      `--listen-client-urls=${url(clients)}`,
      `--advertise-client-urls=${url(clients)}`,
      `--listen-peer-urls=${url(peers)}`,
      `--initial-advertise-peer-urls=${url(peers)}`,
      `--initial-cluster=default=${url(peers)}`,
      "--log-level=warn",
    ];
    const healthy = async () => (await fetch(`${url(clients)}/health`)).ok;
    this.processes.push(await startServer(etcd, join(this.folder, "etcd.log"), healthy));

    const key = join(this.folder, "service-account.key");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(key, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
    const tokens = join(this.folder, "tokens.csv");
    writeFileSync(tokens, `${this.token},admin,admin,system:masters\n`, { mode: 0o600 });
    const server = [
      tool("kube-apiserver"),
      `--etcd-servers=${url(clients)}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${this.folder}`,
      `--token-auth-file=${tokens}`,
      "--authorization-mode=RBAC",
      "--service-cluster-ip-range=10.97.0.0/24",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
    ];
    const kubeconfig = this.kubeconfigFor(this.address);
    const readyz = ["get", "--raw", "/readyz", `--kubeconfig=${kubeconfig}`];
    const ready = async () => (await run("kubectl", readyz, { env: { HOME: this.folder } })) === "ok";
    this.processes.push(await startServer(server, join(this.folder, "kube-apiserver.log"), ready));
    copyFileSync(kubeconfig, this.kubeconfig);
  }
}
