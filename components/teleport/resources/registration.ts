/** What is registered in Teleport, and what is remembered of it. Pure. */
import type { TeleportConnection, TeleportDocument } from "../client/tctl";

/** Inputs of a registration. */
export interface RegistrationInputs extends TeleportConnection {
  /** What to register, without the owner label. */
  document: TeleportDocument;
  /** Which resource of which stack it belongs to. */
  owner: string;
  /** Take over a document of that name that is not ours. Default: refuse. */
  adopt?: boolean;
}

/** What is remembered of a registration. After a refresh, `document` is what Teleport holds. */
export interface RegistrationState extends RegistrationInputs {
  /** Made anew at each create; see OWNER_LABEL. */
  registration: string;
}

/** Times in milliseconds. */
export interface RegistrationTiming {
  /** Between two reads. */
  poll: number;
  /** How long a write may take to become visible. */
  visibleWithin: number;
  /** How long a deleted document must stay gone. The cache was seen to lag by up to a second. */
  goneFor: number;
  /** How long to let the cache catch up before a read decides whose a document is. */
  settle: number;
  /** How long what is visible may differ from what was written, before it is taken for what Teleport made of it. */
  differsFor: number;
}
