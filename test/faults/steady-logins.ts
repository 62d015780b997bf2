/** Somebody who logs in through Teleport every second, for as long as something else goes on, and notes how it went. */
import { setTimeout as sleep } from "node:timers/promises";
import { Login, openTunnel, Tunnel } from "../../lab/drive/login";

/** One login at one database. */
export interface SteadyLogin {
  /** Milliseconds since the beginning. */
  at: number;
  /** What went on when it began. */
  phase: string;
  /** Name of the database in Teleport. */
  database: string;
  /** The CA that signed the certificate which Teleport's agent showed, as its distinguished name; undefined if it failed. */
  ca?: string;
  /** Why it failed. */
  refusal?: string;
}

/** Milliseconds from one login to the next. */
const INTERVAL = 1_000;
/** What a login asks: who it is, and who vouched for it. */
const WHO_AM_I = "SELECT current_user || ' ' || issuer_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

export class SteadyLogins {
  readonly made: SteadyLogin[] = [];
  private readonly begun = Date.now();
  private going = true;
  private running: Promise<unknown> = Promise.resolve();
  private phase: string;

  private constructor(
    private readonly people: { login: Login; tunnel: Tunnel }[],
    phase: string,
  ) {
    this.phase = phase;
  }

  /**
   * Begins, once each has got through.
   *
   * @param logins one for each database; every second there is one at each
   */
  static async begin(logins: Login[], phase: string): Promise<SteadyLogins> {
    const people = await Promise.all(logins.map(async (login) => ({ login, tunnel: await openTunnel(login) })));
    const steady = new SteadyLogins(people, phase);
    steady.running = Promise.all(people.map((person) => steady.goOn(person)));
    return steady;
  }

  /** From now on something else goes on; resolves to the number of logins made before. */
  enter(phase: string): void {
    this.phase = phase;
  }

  /** Waits for so many more logins at each database. */
  async more(count: number): Promise<void> {
    const before = this.made.length;
    while (this.made.length < before + count * this.people.length) await sleep(100);
  }

  in(phase: string): SteadyLogin[] {
    return this.made.filter((login) => login.phase === phase);
  }

  refused(): SteadyLogin[] {
    return this.made.filter(({ refusal }) => refusal !== undefined);
  }

  async end(): Promise<void> {
    this.going = false;
    await this.running;
    await Promise.all(this.people.map(({ tunnel }) => tunnel.close()));
  }

  private async goOn({ login, tunnel }: { login: Login; tunnel: Tunnel }): Promise<void> {
    while (this.going) {
      const began = Date.now();
      const entry = { at: began - this.begun, phase: this.phase, database: login.teleportDatabase };
      const { code, stdout, output } = await tunnel.ask(WHO_AM_I);
      const [user, ...ca] = stdout.trim().split(" ");
      const got = code === 0 && user === login.user;
      this.made.push({ ...entry, ...(got ? { ca: ca.join(" ") } : { refusal: output.trim() }) });
      await sleep(Math.max(0, began + INTERVAL - Date.now()));
    }
  }
}
