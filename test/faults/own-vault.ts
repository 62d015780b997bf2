/** A separate Vault for a test, which can seal it, stop it, and fill it with any CAs. Its data is lost when it ends. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "../../lab/build/tools";
import { freePort } from "../../lab/host/free-port";
import { waitFor } from "../../lab/host/wait";
import { OwnProcess, startServer } from "./own-process";

type Answer = { data?: Record<string, unknown>; auth?: { client_token: string } } & Record<string, unknown>;

export class OwnVault {
  private readonly folder = mkdtempSync(join(tmpdir(), "own-vault-"));
  private process: OwnProcess | undefined;
  private unsealKey = "";
  private rootToken = "";

  private constructor(private readonly port: number) {}

  /** Starts, initializes and unseals it. */
  static async start(): Promise<OwnVault> {
    const vault = new OwnVault(await freePort());
    try {
      await vault.run();
      const made = await vault.request("PUT", "sys/init", { secret_shares: 1, secret_threshold: 1 });
      vault.unsealKey = (made.keys as string[])[0] ?? "";
      vault.rootToken = made.root_token as string;
      await vault.unseal();
    } catch (error) {
      await vault.end();
      throw error;
    }
    return vault;
  }

  /** `host:port` */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  seal(): Promise<Answer> {
    return this.request("PUT", "sys/seal");
  }

  async unseal(): Promise<void> {
    await this.request("PUT", "sys/unseal", { key: this.unsealKey });
    // An unsealed Vault is not active yet: until then it answers requests with 5xx.
    await waitFor("the test's own Vault is active", async () => Boolean(await this.request("GET", "sys/mounts")), {
      limit: 60,
    });
  }

  /** Sends a request as its administrator. @throws Error with Vault's message */
  async request(method: "GET" | "PUT" | "POST" | "DELETE", path: string, body?: unknown): Promise<Answer> {
    const answer = await fetch(`http://${this.host}/v1/${path}`, {
      method,
      headers: { ...(this.rootToken && { "x-vault-token": this.rootToken }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Vault, ${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : {}) as Answer;
  }

  async end(): Promise<void> {
    await this.process?.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async run(): Promise<void> {
    const file = join(this.folder, "vault.hcl");
    // Without TLS, on loopback: tests break the connection, not the encryption.
    const listener = `listener "tcp" {\n  address = "${this.host}"\n  tls_disable = true\n}\n`;
    writeFileSync(file, `storage "inmem" {}\n${listener}api_addr = "http://${this.host}"\ndisable_mlock = true\n`);
    const serves = async () => (await fetch(`http://${this.host}/v1/sys/seal-status`)).ok;
    this.process = await startServer([tool("vault"), "server", `-config=${file}`], join(this.folder, "log"), serves);
  }
}
