/** What TLS says on Node, Deno and Bun when a certificate is refused, on this side or by the broker. */

const CERTIFICATE =
  /CERT_|_CERT|UNABLE_TO_(GET|VERIFY)|SELF_SIGNED|certificate|UnknownIssuer|altname|NotValidForName|unknown ca/i;

/** Whether an error is about a certificate: no retry makes it right. */
export function isCertificateRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return CERTIFICATE.test(`${String(code ?? "")} ${error.message}`);
}
