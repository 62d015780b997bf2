/**
 * Certificates of an external CA that override the certificate of a Teleport CA (Teleport Enterprise, 18 and newer):
 * `kind: cert_authority_override`. Neither an export of the CA nor its document contains them. Pure, except for the
 * client.
 */
import { TeleportError } from "../client/errors";
import type { TeleportClient, TeleportDocument } from "../client/tctl";

const KIND = "cert_authority_override";

/** Messages of tctl for an unknown kind, and of a server for an unknown service. */
const UNKNOWN_KIND =
  /unsupported resource|is not supported|resource type .* unknown|unknown service|[Uu]nimplemented|not implemented/;

let hasWarned = false;

/**
 * Returns all overrides. Empty if Teleport does not know overrides, or if the identity may not read them; then it
 * prints a warning.
 */
export async function readCaOverrides(teleport: TeleportClient): Promise<TeleportDocument[]> {
  try {
    return await teleport.get(KIND);
  } catch (error) {
    if (!(error instanceof TeleportError)) throw error;
    if (error.failure === "access-denied") {
      warnOnce(
        `Could not check whether Teleport's database client CA is overridden: ${error.message} If you use no override, ` +
          `ignore this. Otherwise give the program's role the rights to list and read ${KIND} (docs/permissions.md, "Teleport role").`,
      );
      return [];
    }
    if (UNKNOWN_KIND.test(error.message)) return [];
    throw error;
  }
}

/** All databases of a program read the same overrides, so the warning is printed once. */
function warnOnce(text: string): void {
  if (hasWarned) return;
  hasWarned = true;
  console.error(text);
}

/** The field in JSON, with the name of tctl and with the name of protobuf's JSON. */
interface OverrideSpec {
  certificate_overrides?: Override[];
  certificateOverrides?: Override[];
}

interface Override {
  certificate?: string;
  /** From the certificate's issuer to the root, which may be missing. */
  chain?: string[];
  disabled?: boolean;
}

/** The certificates that override a CA of a cluster, each followed by its chain. */
export function overridingCertificates(
  documents: readonly TeleportDocument[],
  cluster: string,
  type: string | undefined,
): string[] {
  return documents
    .filter(({ kind, sub_kind, subKind, metadata }) => {
      return kind === KIND && metadata.name === cluster && (sub_kind ?? subKind) === type;
    })
    .flatMap(({ spec }) => {
      const { certificate_overrides, certificateOverrides = [] } = spec as OverrideSpec;
      return certificate_overrides ?? certificateOverrides;
    })
    .filter(({ disabled }) => disabled !== true)
    .flatMap(({ certificate, chain = [] }) => (certificate ? [certificate, ...chain] : []));
}
