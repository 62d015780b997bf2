/**
 * Watches the Secrets of a namespace through the API, and records problems for their readers: a missing Secret, an
 * empty certificate, or a key of another certificate.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { KubeConfig, V1Secret, Watch } from "@kubernetes/client-node";

export class SecretWatch {
  /** How often each Secret was seen, by `<event> <name>`. */
  private readonly seen = new Map<string, number>();
  readonly problems: string[] = [];
  /** The data of each Secret, at each event. */
  private readonly held = new Map<string, string[]>();
  private ending = false;
  private controller: AbortController | undefined;

  private constructor(private readonly names?: ReadonlySet<string>) {}

  /** Resolves when the watch has started. Without `names` it covers all Secrets with a certificate. */
  static async begin(namespace: string, names?: readonly string[]): Promise<SecretWatch> {
    const config = new KubeConfig();
    config.loadFromDefault();
    const watch = new SecretWatch(names && new Set(names));
    watch.controller = await new Watch(config).watch(
      `/api/v1/namespaces/${namespace}/secrets`,
      {},
      (event: string, secret: V1Secret) => watch.take(event, secret),
      (error: unknown) => {
        if (!watch.ending) watch.problems.push(`the watch ended: ${String(error)}`);
      },
    );
    return watch;
  }

  end(): void {
    this.ending = true;
    this.controller?.abort();
  }

  /** How often the data of a Secret was changed in place. Changes of its metadata do not count. */
  changes(name: string): number {
    const held = this.held.get(name) ?? [];
    return held.filter((each, index) => index > 0 && each !== held[index - 1]).length;
  }

  private take(event: string, { metadata, data = {} }: V1Secret): void {
    const name = metadata?.name ?? "";
    if (this.names ? !this.names.has(name) : !("ca.crt" in data || "tls.crt" in data)) return;
    this.seen.set(`${event} ${name}`, (this.seen.get(`${event} ${name}`) ?? 0) + 1);
    this.held.set(name, [...(this.held.get(name) ?? []), JSON.stringify(data)]);
    // Existing Secrets are reported as ADDED, once.
    if (event === "DELETED" || (event === "ADDED" && (this.seen.get(`ADDED ${name}`) ?? 0) > 1)) {
      this.problems.push(`${name} was ${event}`);
    }
    const text = (key: string) => Buffer.from(data[key] ?? "", "base64").toString("utf8");
    const keys = "ca.crt" in data ? ["ca.crt"] : ["tls.crt", "tls.key"];
    const empty = keys.filter((key) => text(key).trim() === "");
    this.problems.push(...empty.map((key) => `${name}: ${key} was empty`));
    if (empty.length > 0 || keys.length === 1) return;
    const fits = new X509Certificate(text("tls.crt")).checkPrivateKey(createPrivateKey(text("tls.key")));
    if (!fits) this.problems.push(`${name}: tls.key was not that of tls.crt`);
  }
}
