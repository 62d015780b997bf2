/** Answers that several resources of one run share, so that a server is asked each question only once. */

/** Long enough for all resources of one step. Too short to carry a preview's answer over to the update. */
const LIFETIME_MS = 15_000;

/**
 * Keeps each answer for a moment, in the memory of this process only. Callers that ask while a request is running share its
 * result. Failures are not kept.
 */
export function memoized<Answer>(
  lifetime: number = LIFETIME_MS,
): (question: string, ask: () => Promise<Answer>) => Promise<Answer> {
  const answers = new Map<string, Promise<Answer>>();
  return (question, ask) => {
    const known = answers.get(question);
    if (known) return known;
    const answer = ask();
    answers.set(question, answer);
    const forget = () => {
      if (answers.get(question) === answer) answers.delete(question);
    };
    answer.then(() => setTimeout(forget, lifetime).unref(), forget);
    return answer;
  };
}
