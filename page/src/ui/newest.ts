// One question at a time, and of those that wait only the newest.

/** Asks one question after the other; of those put meanwhile it keeps the last. */
export class Newest<Question> {
  private readonly ask: (question: Question) => Promise<void>;
  private waiting: Question[] = []; // none or one
  private isAsking = false;

  constructor(ask: (question: Question) => Promise<void>) {
    this.ask = ask;
  }

  /** Ask this, now or as soon as the question before is answered. */
  put(question: Question): void {
    this.waiting = [question];
    if (!this.isAsking) {
      void this.askAll();
    }
  }

  /** Forget what waits. */
  clear(): void {
    this.waiting = [];
  }

  /** Ask until nothing waits; `ask` itself says what went wrong. */
  private async askAll(): Promise<void> {
    this.isAsking = true;
    for (let next = this.waiting.pop(); next !== undefined; next = this.waiting.pop()) {
      await this.ask(next).catch(() => undefined);
    }
    this.isAsking = false;
  }
}
