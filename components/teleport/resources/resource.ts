/** The base class of all resources that are registered in Teleport. */
import * as pulumi from "@pulumi/pulumi";
import { ownerOf } from "../../kubernetes/owner";
import { registrationProvider } from "../provider";
import { TeleportConnection, TeleportDocument } from "../client/tctl";

/** Settings of every registration. */
export interface RegistrationArgs {
  /** The Teleport cluster. */
  teleport: pulumi.Input<TeleportConnection>;
  /**
   * Take over a resource of that name that exists already and belongs to someone else. Default: false, which refuses.
   */
  adopt?: boolean;
}

/**
 * A document whose parts may be known at different times. Parts that a preview knows already, above all the name, are
 * checked there.
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
 * Registers a document in Teleport. Deleting the resource removes it and waits until it is gone. A refresh finds
 * manual changes and deletions. Fails, in the preview if possible, if a resource of that name exists that another
 * resource or person registered.
 */
export abstract class TeleportResource extends pulumi.dynamic.Resource {
  /** The registered document, without the owner label. */
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
