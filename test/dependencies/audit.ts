/** What `npm audit --json` answered. Pure. */

/** How an audit ended. */
export type AuditResult =
  /** The registry answered: this many known vulnerabilities, by severity. */
  | { answered: true; vulnerabilities: Record<string, number> }
  /** It did not, so that nothing is known. */
  | { answered: false; reason: string };

/** Reads the standard output of `npm audit --json`, which holds an error where the registry has no audit to give. */
export function auditResult(output: string): AuditResult {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    return { answered: false, reason: "npm printed no JSON" };
  }
  const { message, error, metadata } = (answer ?? {}) as {
    message?: string;
    error?: { summary?: string; code?: string };
    metadata?: { vulnerabilities?: Record<string, number> };
  };
  const counts = metadata?.vulnerabilities;
  if (!counts) return { answered: false, reason: message || error?.summary || error?.code || "npm gave no reason" };
  const vulnerabilities = Object.entries(counts).filter(([severity, count]) => severity !== "total" && count > 0);
  return { answered: true, vulnerabilities: Object.fromEntries(vulnerabilities) };
}

/** Says it, and whether it passed: what was not answered has not. */
export function auditReport(result: AuditResult): { passed: boolean; text: string } {
  if (!result.answered) {
    const text = `Audit: NOT DONE, the registry did not answer (${result.reason}). Whether a dependency has a known vulnerability is not known; run it against a registry that answers.`;
    return { passed: false, text };
  }
  const found = Object.entries(result.vulnerabilities).map(([severity, count]) => `${count} ${severity}`);
  return found.length === 0
    ? { passed: true, text: "Audit: no known vulnerability." }
    : { passed: false, text: `Audit: ${found.join(", ")}. \`npm audit\` names them.` };
}
