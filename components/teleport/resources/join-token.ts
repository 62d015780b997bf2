/** A join token in Teleport: which machines may join as agents, according to their platform. */
import * as pulumi from "@pulumi/pulumi";
import { JOIN_TOKEN, joinTokenSpec, type TeleportJoinTokenArgs } from "./join-token-document";
import { TeleportResource } from "./resource";

/**
 * A join token for database agents (or a bot). Only methods whose token is not secret are supported.
 *
 * The program's identity needs the right to write tokens: see `accessRegistrarRole`.
 */
export class TeleportJoinToken extends TeleportResource {
  /** Name in Teleport, known once the token is visible there. */
  readonly tokenName: pulumi.Output<string>;

  constructor(name: string, args: TeleportJoinTokenArgs, opts?: pulumi.CustomResourceOptions) {
    const settings = { join: args.join, botName: args.botName };
    const document = {
      ...JOIN_TOKEN,
      metadata: { name: args.name, labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(joinTokenSpec),
    };
    super("JoinToken", name, args, document, opts);
    this.tokenName = this.document.apply(({ metadata }) => metadata.name);
  }
}
