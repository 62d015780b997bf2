/** A separate Teleport behind a proxy that the test controls, and stacks that register in it. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { OWNER_LABEL } from "../../components/owner-label";
import { TeleportDocument } from "../../components/teleport/client/tctl";
import { Stack } from "../../lab/drive/stack";
import { freePort } from "../../lab/host/free-port";
import { PROJECT } from "../../lab/layout";
import { OwnTeleport } from "./own-teleport";
import { TcpProxy } from "./tcp-proxy";

const REGISTRATION = join(PROJECT, "test", "lab", "registration-program");

export class TeleportBehindLine {
  private readonly stacks: Stack[] = [];

  private constructor(
    readonly teleport: OwnTeleport,
    readonly line: TcpProxy,
    private readonly identity: string,
  ) {}

  /** @param name of the Teleport cluster */
  static async start(name: string): Promise<TeleportBehindLine> {
    const port = await freePort();
    const line = await TcpProxy.open(`127.0.0.1:${port}`);
    try {
      const teleport = await OwnTeleport.start({ name, port, publicAddress: line.address });
      return new TeleportBehindLine(teleport, line, await teleport.sign("registrar", "4h"));
    } catch (error) {
      await line.close();
      throw error;
    }
  }

  /** A stack of that name, which registers a database of that name. */
  async stack(name: string, project = REGISTRATION): Promise<Stack> {
    const stack = new Stack(name, { project, env: { TELEPORT_IDENTITY_FILE: this.identity } });
    this.stacks.push(stack);
    this.configure(stack);
    await stack.init();
    return stack;
  }

  configure(stack: Stack, settings: Record<string, unknown> = {}): void {
    stack.configure({ proxy: this.line.address, name: stack.name, ...settings });
  }

  /** The resource of this name, as the administrator sees it. */
  async registered(name: string): Promise<TeleportDocument | undefined> {
    return (await this.teleport.databases()).find(({ metadata }) => metadata.name === name);
  }

  async ownerOf(name: string): Promise<string | undefined> {
    return (await this.registered(name))?.metadata.labels?.[OWNER_LABEL];
  }

  /** Lets all connections pass again. */
  restore(): void {
    this.line.line = "pass";
    this.line.delay = 0;
  }

  /** Stops everything. The registrations end with their Teleport. */
  async remove(): Promise<void> {
    for (const stack of this.stacks) await stack.remove();
    await this.teleport.remove();
    await this.line.close();
  }
}

/** Runs a command that must fail, and returns its output. */
export async function refused(stack: Stack, command: string): Promise<string> {
  const { code, output } = await stack.pulumi([command, "--yes", "--skip-preview"]);
  assert.notEqual(code, 0, `${command} ended with 0:\n${output}`);
  return output;
}
