/** Logs in through Teleport every second during other steps, and records the results. */
import { setTimeout as sleep } from "node:timers/promises";
import { Login, openTunnel, sqlThroughTeleport, Tunnel } from "../../lab/drive/login";

/** One login at one database. */
export interface SteadyLogin {
  /** Milliseconds since the beginning. */
  at: number;
  /** The step during which it began. */
  phase: string;
  /** Name of the database in Teleport. */
  database: string;
  /** Distinguished name of the CA that signed the agent's certificate; undefined if the login was refused. */
  ca?: string;
  /** Why it was refused. */
  refusal?: string;
}

/** Milliseconds from the beginning of one login to that of the next. */
const INTERVAL = 1_000;
/** The query of a login: its user, and the issuer of its certificate. */
const WHO_AM_I = "SELECT current_user || ' ' || issuer_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

export class SteadyLogins {
  readonly made: SteadyLogin[] = [];
  private readonly begun = Date.now();
  private readonly underWay = new Set<Promise<void>>();
  private entered = 0;
  private going = true;
  private running: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly tunnels: { login: Login; tunnel: Tunnel }[],
    private phase: string,
  ) {}

  /**
   * Starts after one successful login at each database: an agent serves a database some seconds after its
   * registration.
   *
   * @param logins one for each database; every second there is one at each
   * @param phase name of the first step
   */
  static async begin(logins: Login[], phase: string): Promise<SteadyLogins> {
    for (const login of logins) {
      const { code, output } = await sqlThroughTeleport(login, "SELECT 1");
      if (code !== 0) throw new Error(`The first login at ${login.teleportDatabase} is refused: ${output}`);
    }
    const tunnels = await Promise.all(logins.map(async (login) => ({ login, tunnel: await openTunnel(login) })));
    const steady = new SteadyLogins(tunnels, phase);
    steady.running = Promise.all(tunnels.map((each) => steady.goOn(each)));
    return steady;
  }

  /** Sets the name of the next step. Resolves when earlier logins have ended. */
  async enter(phase: string): Promise<void> {
    this.phase = phase;
    await Promise.all(this.underWay);
    this.entered = this.made.length;
  }

  /** Waits for this many more logins at each database. */
  async more(count: number): Promise<void> {
    const wanted = this.made.length + count * this.tunnels.length;
    while (this.made.length < wanted) await sleep(100);
  }

  /** The logins since the current step began. */
  since(): SteadyLogin[] {
    return this.made.slice(this.entered);
  }

  /** The CAs of successful logins, in order of appearance. */
  cas(): string[] {
    return [...new Set(this.since().flatMap(({ ca }) => ca ?? []))];
  }

  refused(): SteadyLogin[] {
    return this.made.filter(({ refusal }) => refusal !== undefined);
  }

  async end(): Promise<void> {
    this.going = false;
    await this.running;
    await Promise.all(this.tunnels.map(({ tunnel }) => tunnel.close()));
  }

  private async goOn({ login, tunnel }: { login: Login; tunnel: Tunnel }): Promise<void> {
    while (this.going) {
      const began = Date.now();
      const attempt = this.logIn(login, tunnel);
      this.underWay.add(attempt);
      await attempt;
      this.underWay.delete(attempt);
      await sleep(Math.max(0, began + INTERVAL - Date.now()));
    }
  }

  private async logIn({ teleportDatabase, user }: Login, tunnel: Tunnel): Promise<void> {
    const entry = { at: Date.now() - this.begun, phase: this.phase, database: teleportDatabase };
    const { code, stdout, output } = await tunnel.ask(WHO_AM_I);
    const [who, ...ca] = stdout.trim().split(" ");
    const gotIn = code === 0 && who === user;
    this.made.push({ ...entry, ...(gotIn ? { ca: ca.join(" ") } : { refusal: output.trim() }) });
  }
}
