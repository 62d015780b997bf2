/** What is registered in Teleport, and what is remembered of it. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { TeleportConnection, TeleportDocument } from "../client/tctl";

/** Settings of every registration. */
export interface RegistrationArgs {
  /** The Teleport cluster. */
  teleport: pulumi.Input<TeleportConnection>;
  /**
   * Take over a resource of that name that exists already and belongs to someone else. Default: false, which refuses.
   */
  adopt?: boolean;
  /**
   * The name belongs to another Cluster of the topology now. Nothing is written, and what is registered stays. Default: false.
   */
  suspended?: boolean;
}

/** Inputs of a registration. */
export interface RegistrationInputs extends TeleportConnection {
  /** The document to register, without the owner label. */
  document: TeleportDocument;
  /** The owner: a resource of a stack. */
  owner: string;
  /** Take over a document of that name that belongs to someone else. Default: refuse. */
  adopt?: boolean;
  /** Nothing is written: another Cluster of the topology owns the name, or will. Default: false. */
  suspended?: boolean;
}

/** The state of a registration. After a refresh, `document` is what Teleport has. */
export interface RegistrationState extends RegistrationInputs {
  /** New for each create; see OWNER_LABEL. Empty while nothing was registered, because it is suspended. */
  registration: string;
}

/** Times in milliseconds. */
export interface RegistrationTiming {
  /** Pause between two reads. */
  poll: number;
  /** How long a write may take to become visible. */
  visibleWithin: number;
  /** How long a deleted document must stay gone. The cache was seen to lag by up to a second. */
  goneFor: number;
  /** How long to wait for the cache before a read decides who owns a document. */
  settle: number;
  /** How long the visible document may differ from the written one before it counts as Teleport's final version. */
  differsFor: number;
}
