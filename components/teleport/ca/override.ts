/**
 * Certificates of an external CA with which a Teleport CA signs in place of its own (Teleport Enterprise, 18 and newer):
 * `kind: cert_authority_override`. They are in no export of the CA, and in none of its documents. Pure but for the client.
 */
import { TeleportError } from "../client/errors";
import type { TeleportClient, TeleportDocument } from "../client/tctl";

const KIND = "cert_authority_override";

/** What tctl says of a kind that it does not know, and a server of a service that it does not have. */
const UNKNOWN_KIND =
  /unsupported resource|is not supported|resource type .* unknown|unknown service|[Uu]nimplemented|not implemented/;

let isTold = false;

/** All overrides; none where Teleport has no such thing, or the identity may not see it, which is told. */
export async function readCaOverrides(teleport: TeleportClient): Promise<TeleportDocument[]> {
  try {
    return await teleport.get(KIND);
  } catch (error) {
    if (!(error instanceof TeleportError)) throw error;
    if (error.failure === "access-denied") {
      tellOnce(
        `Could not check whether Teleport's database client CA is overridden: ${error.message} If you use no override, ` +
          `ignore this. Otherwise give the program's role the rights to list and read ${KIND} (docs/permissions.md, "Teleport role").`,
      );
      return [];
    }
    if (UNKNOWN_KIND.test(error.message)) return [];
    throw error;
  }
}

/** All databases of a program read the same. */
function tellOnce(text: string): void {
  if (isTold) return;
  isTold = true;
  console.error(text);
}

/** In JSON as tctl prints it, and as protobuf's own has it. */
interface OverrideSpec {
  certificate_overrides?: Override[];
  certificateOverrides?: Override[];
}

interface Override {
  certificate?: string;
  /** From the issuer of that to its root, which may be left out. */
  chain?: string[];
  disabled?: boolean;
}

/** The certificates that are in force for a CA of a cluster, each followed by its chain. */
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
