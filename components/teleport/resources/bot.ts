/** A bot in Teleport: the identity of a machine or an application. */
import * as pulumi from "@pulumi/pulumi";
import { BOT } from "./bot-document";
import { RegistrationArgs, TeleportResource } from "./resource";

/**
 * Settings of a bot. They become `kind: bot, version: v1`, or a user and a role in versions of Teleport without such
 * documents.
 */
export interface TeleportBotArgs extends RegistrationArgs {
  /** Name in Teleport. A change replaces the bot. */
  name: pulumi.Input<string>;
  /** Labels of the bot itself. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Names of the roles that the bot may use. Becomes `spec.roles`. */
  roles: pulumi.Input<pulumi.Input<string>[]>;
}

/**
 * A bot. It joins by a TeleportJoinToken with `botName`. After it is deleted, it gets no new certificates; its
 * current certificates work until they expire.
 *
 * The program's identity needs the right to write bots, or users and roles: see `workloadRegistrarRole`.
 */
export class TeleportBot extends TeleportResource {
  /** Name in Teleport, known once the bot is visible there. */
  readonly botName: pulumi.Output<string>;

  constructor(name: string, args: TeleportBotArgs, opts?: pulumi.CustomResourceOptions) {
    const document = {
      ...BOT,
      metadata: { name: args.name, labels: args.labels ?? {} },
      spec: pulumi.output(args.roles).apply((roles): Record<string, unknown> => ({ roles })),
    };
    super("Bot", name, args, document, opts);
    this.botName = this.document.apply(({ metadata }) => metadata.name);
  }
}
