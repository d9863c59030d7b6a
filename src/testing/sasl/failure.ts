/** Why a client is not let in. Never leaves this folder but as a response. */
export class SaslFailure extends Error {
  /**
   * What the client is told; `undefined`: only that its credentials are invalid. As with Kafka, most
   * reasons are for the broker's log alone, so that nobody learns which users there are.
   */
  readonly told: string | undefined;

  /**
   * Makes a failure.
   *
   * @param reason The reason, for the log.
   * @param told What the client is told.
   */
  constructor(reason: string, told?: string) {
    super(reason);
    this.told = told;
  }
}
