/** Answers that several resources of one run want to have, so that no server is asked the same ten times. */

/** Long enough for all resources of one step, and too short for a preview's answer to be taken for the update's. */
const LIFETIME_MS = 15_000;

/**
 * Keeps the answers to questions for a moment, in this process' memory only. Those who ask while an answer is under
 * way wait for it. A failure is not kept.
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
