/**
 * Observes all clients of a Cluster while its certificates change: people through Teleport; an application with an
 * open session and with new ones, directly and through the pooler; the standby; and a reader of the Secrets.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PostgresClusterOutputs } from "../../components/postgres-cluster/outputs";
import { openTunnel, Tunnel } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { eventually, loginAs, sqlAsSuperuser } from "../lab/lab";
import { EverySecond, Sample } from "./every-second";
import { lives } from "./lives";
import { OpenSession } from "./open-session";
import { logInAsOwner, openSessionAsOwner, Owner, ownerOf } from "./owner";
import { SecretWatch } from "./secret-watch";

/** A pooler with a CPU request: without one it gets no CPU on a busy machine. */
export const SMALL_POOLER = { type: "rw", instances: 1, resources: { requests: { cpu: "50m", memory: "32Mi" } } };

/** Milliseconds within which a standby that lost its connection must reconnect. */
const AT_ONCE = 3_000;

export class ClusterWitness {
  /** Secrets whose changes are watched. */
  readonly secrets: SecretWatch;
  private during = "before";
  private readonly looks: Record<string, EverySecond>;

  private constructor(
    private readonly cluster: string,
    private readonly folder: string,
    private readonly owner: Owner,
    private readonly session: OpenSession,
    private readonly tunnel: Tunnel,
    private readonly superuser: OpenSession,
    private readonly backend: string,
    private readonly pods: string[],
    pooled: Owner,
    secrets: SecretWatch,
  ) {
    this.secrets = secrets;
    const looked = (look: () => Promise<string | undefined>) => new EverySecond(() => this.during, look);
    const through = async (login: Promise<{ code: number; output: string }>) => {
      const { code, output } = await login;
      return code === 0 ? undefined : output.trim();
    };
    this.looks = {
      teleport: looked(() => through(tunnel.ask("SELECT 1"))),
      application: looked(() => through(logInAsOwner(owner, "SELECT 1"))),
      pooler: looked(() => through(logInAsOwner(pooled, "SELECT 1"))),
      session: looked(async () => ((await session.backend()) === this.backend ? undefined : "is another backend")),
      standby: looked(() => this.standby()),
    };
  }

  /**
   * @param cluster of two instances with a pooler, in the namespace of its name
   * @param serverCa what the application trusts
   */
  static async of(cluster: string, teleportDatabase: string, serverCa: string): Promise<ClusterWitness> {
    const folder = mkdtempSync(join(tmpdir(), "witness-"));
    const caFile = join(folder, "ca.crt");
    writeFileSync(caFile, serverCa);
    const owner = await ownerOf(cluster, `${cluster}-rw`, caFile);
    const pooled = await ownerOf(cluster, `pooler-${cluster}-rw`, caFile);
    const session = openSessionAsOwner(owner);
    const backend = await session.backend();
    const tunnel = await openTunnel(loginAs("reader", teleportDatabase, "app"));
    const superuser = await OpenSession.asSuperuser(cluster, "postgres");
    const names = ["server-tls", "server-ca", "replication-tls", "client-ca-bundle", "pooler"];
    const secrets = await SecretWatch.begin(cluster, [
      ...names.map((name) => `${cluster}-${name}`),
      `pooler-${cluster}-rw-tls`,
    ]);
    return new ClusterWitness(
      cluster,
      folder,
      owner,
      session,
      tunnel,
      superuser,
      backend,
      await lives(cluster),
      pooled,
      secrets,
    );
  }

  /** Sets the name of the current step. */
  now(during: string): void {
    this.during = during;
  }

  /** The application's stack adopts the platform's new outputs. */
  trust(serverCa: string): void {
    writeFileSync(this.owner.caFile, serverCa);
  }

  /**
   * Closes the connections of the standby and the pooler, which must reconnect with the current certificates.
   * Resolves to the issuers of the certificates that they then show, and the standby's time in milliseconds.
   */
  async reconnect(): Promise<{ standby: string; pooler: string; streamingAfter: number }> {
    const before = this.during;
    this.now("reconnect");
    const issuers = (users: string) =>
      sqlAsSuperuser(
        this.cluster,
        "postgres",
        `SELECT DISTINCT issuer_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '${users}'`,
      );
    const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('streaming_replica', 'cnpg_pooler_pgbouncer')`;
    await sqlAsSuperuser(this.cluster, "postgres", end);
    const ended = Date.now();
    await eventually("the standby streams again", async () => (await this.streaming()) === 1, 60_000);
    const streamingAfter = Date.now() - ended;
    await eventually("the pooler logs in again", async () => (await issuers("cnpg_pooler_pgbouncer")).trim() !== "");
    const [standby, pooler] = await Promise.all([issuers("streaming_replica"), issuers("cnpg_pooler_pgbouncer")]);
    // A check of the standby that began earlier must not count for the next step.
    await sleep(2_000);
    this.now(before);
    return { standby: standby.trim(), pooler: pooler.trim(), streamingAfter };
  }

  /** Ends all checks. Resolves to the failures of each observer; checks during a reconnect do not count. */
  async end(): Promise<{ problems: Record<string, Sample[]>; looks: Record<string, number> }> {
    this.secrets.end();
    await Promise.all(Object.values(this.looks).map((look) => look.end()));
    await Promise.all([this.session.end(), this.superuser.end(), this.tunnel.close()]);
    rmSync(this.folder, { recursive: true, force: true });
    const of = <Value>(value: (look: EverySecond) => Value) =>
      Object.fromEntries(Object.entries(this.looks).map(([who, look]) => [who, value(look)]));
    return {
      problems: of(({ problems }) => problems.filter(({ during }) => during !== "reconnect")),
      looks: of(({ samples }) => samples.length),
    };
  }

  /**
   * Ends all checks. Fails if anything failed, if a pod was replaced, or if an observer made fewer than `least`
   * checks.
   */
  async nothingLost(least = 0): Promise<void> {
    this.now("after");
    const { problems, looks } = await this.end();
    for (const [who, found] of Object.entries(problems)) assert.deepEqual(found, [], who);
    for (const [who, count] of Object.entries(looks)) assert.ok(count >= least, `${who}: ${count} looks`);
    await this.samePods();
  }

  /** Fails if a pod was replaced, or one of its containers was restarted. */
  async samePods(): Promise<void> {
    assert.deepEqual(await lives(this.cluster), this.pods);
  }

  /** It may reconnect at once: on a busy machine this happened between two checks. */
  private async standby(): Promise<string | undefined> {
    if ((await this.streaming()) === 1) return undefined;
    await sleep(AT_ONCE);
    const streaming = await this.streaming();
    return streaming === 1 ? undefined : `${streaming} standbys stream`;
  }

  private async streaming(): Promise<number> {
    return Number(await this.superuser.ask("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"));
  }
}

/** The CAs that applications trust, from the platform's outputs. */
export async function serverCaOf(stack: Stack, database: string): Promise<string> {
  const { databases } = await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>();
  return databases[database]?.serverCa ?? "";
}
