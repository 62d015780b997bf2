/** A Teleport in memory whose reads lag behind its writes, as the real one's cache does. */
import { TeleportError } from "../../../components/teleport/client/errors";
import { TeleportClient, TeleportDocument } from "../../../components/teleport/client/tctl";

interface Write {
  at: number;
  document: TeleportDocument | undefined;
}

export class FakeTeleport {
  /** Every write of each reference, oldest first. */
  private readonly writes = new Map<string, Write[]>();

  /** @param keeps what the server stores of a document; a version that does not know a field drops it */
  constructor(
    private readonly lag: number,
    private readonly keeps: (document: TeleportDocument) => TeleportDocument = (document) => document,
  ) {}

  /** The current content, without the lag. */
  get(name: string, kind = "db"): TeleportDocument | undefined {
    return this.writes.get(`${kind}/${name}`)?.at(-1)?.document;
  }

  /** Writes like another user, without checks. */
  put(document: TeleportDocument): void {
    this.write(`${document.kind}/${document.metadata.name}`, document);
  }

  drop(name: string, kind = "db"): void {
    this.write(`${kind}/${name}`, undefined);
  }

  /** In place of `withTeleport`. */
  reach = <Result>(_connection: unknown, use: (client: TeleportClient) => Promise<Result>): Promise<Result> =>
    use(this.client);

  readonly client: TeleportClient = {
    get: async (reference) => {
      const known = this.writes
        .get(reference)
        ?.filter(({ at }) => at + this.lag <= Date.now())
        .at(-1);
      const found = known?.document;
      if (!found) return [];
      return [found.kind === "db" ? withServerFields(found) : found];
    },
    create: async (document) => {
      // Like tctl: a token is overwritten without asking.
      const exists = document.kind !== "token" && this.get(document.metadata.name, document.kind);
      if (exists) throw new TeleportError("already-exists", "already exists");
      this.put(this.keeps(document));
    },
    overwrite: async (document) => this.put(this.keeps(document)),
    remove: async (reference) => {
      if (this.writes.get(reference)?.at(-1)?.document) this.write(reference, undefined);
    },
  };

  private write(reference: string, document: TeleportDocument | undefined): void {
    const before = this.writes.get(reference) ?? [];
    this.writes.set(reference, [...before, { at: Date.now(), document: structuredClone(document) }]);
  }
}

/** What Teleport 13 adds to a database. */
export function withServerFields(document: TeleportDocument): TeleportDocument {
  const { tls, ...spec } = document.spec as { tls?: Record<string, unknown> };
  return {
    ...document,
    metadata: {
      ...document.metadata,
      labels: { ...document.metadata.labels, "teleport.dev/origin": "dynamic" },
      id: 1795246189843187762,
    },
    spec: {
      ...spec,
      aws: { rds: { iam_auth: false }, redshift: {}, iam_policy_status: "IAM_POLICY_STATUS_UNSPECIFIED" },
      ad: { domain: "", spn: "" },
      tls: { ...tls, mode: tls?.mode === "verify-full" || tls?.mode === undefined ? 0 : 1 },
    },
    status: { mysql: {} },
  };
}
