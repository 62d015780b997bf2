/** What every resource that is registered in Teleport has in common. */
import * as pulumi from "@pulumi/pulumi";
import { ownerOf } from "../../kubernetes/owner";
import { registrationProvider } from "../provider";
import { TeleportConnection, TeleportDocument } from "../client/tctl";

/** Settings of everything that is registered. */
export interface RegistrationArgs {
  /** The Teleport cluster to register in. */
  teleport: pulumi.Input<TeleportConnection>;
  /** Take over one of that name that exists already and is not ours. Default: false, which refuses. */
  adopt?: boolean;
}

/**
 * A document whose parts may be known at different times: what is known already in a preview, above all the name, can
 * be checked there.
 */
export interface DocumentInputs {
  kind: string;
  version: string;
  metadata: {
    name: pulumi.Input<string>;
    description?: pulumi.Input<string>;
    labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  };
  spec: pulumi.Input<Record<string, unknown>>;
}

/**
 * Registers a document in Teleport; deleting the resource removes it and waits until it is gone. Refresh finds what was
 * changed or removed by hand. Fails, in the preview where it can, if something of that name exists that this very
 * resource did not register.
 */
export abstract class TeleportResource extends pulumi.dynamic.Resource {
  /** The document as registered, without the label that marks it as ours. */
  declare readonly document: pulumi.Output<TeleportDocument>;

  protected constructor(
    type: string,
    name: string,
    args: RegistrationArgs,
    document: DocumentInputs,
    opts?: pulumi.CustomResourceOptions,
  ) {
    const teleport = pulumi.output(args.teleport);
    super(
      registrationProvider,
      name,
      {
        proxy: teleport.proxy,
        credentials: teleport.apply(({ credentials }) => credentials),
        document,
        adopt: args.adopt ?? false,
        owner: ownerOf(name),
        registration: undefined,
      },
      opts,
      "teleport",
      type,
    );
  }
}
