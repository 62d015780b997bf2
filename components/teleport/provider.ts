/** The providers behind our Teleport resources. */
import { dynamicProvider } from "../dynamic/provider";

/** Behind everything that is registered in Teleport. */
export const registrationProvider = dynamicProvider("registration");

/** Behind the reading of a Teleport cluster's database client CA. */
export const certAuthorityProvider = dynamicProvider("certAuthority");
