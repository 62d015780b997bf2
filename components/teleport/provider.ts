/** The dynamic providers of the Teleport resources. */
import { dynamicProvider } from "../dynamic/provider";

/** Provider of everything that is registered in Teleport. */
export const registrationProvider = dynamicProvider("registration");

/** Provider that reads a Teleport cluster's database client CA. */
export const certAuthorityProvider = dynamicProvider("certAuthority");
