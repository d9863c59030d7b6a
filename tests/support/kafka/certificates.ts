import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Certificates for one cluster, all as PEM text. */
export interface Certificates {
  /** The authority that signed the two others. */
  ca: string;
  /** For `localhost` and 127.0.0.1. */
  serverCert: string;
  serverKey: string;
  clientCert: string;
  clientKey: string;
}

/**
 * Makes an authority of its own and certificates for a broker and a client, with openssl.
 *
 * @param folder Where the files go.
 * @returns The certificates and keys (PKCS #8).
 * @throws {Error} When there is no openssl.
 */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const openssl = async (...args: string[]): Promise<void> => {
    try {
      await execute("openssl", args, { cwd: folder });
    } catch (cause) {
      throw new Error(`Cannot make certificates with "openssl"`, { cause });
    }
  };
  const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

  await openssl(
    ...["req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem"],
    ...["-days", "7", "-subj", "/CN=kafka-threads test authority"],
  );
  const sign = async (name: string, extensions: string): Promise<void> => {
    await writeFile(join(folder, `${name}.ext`), extensions);
    await openssl(
      ...["req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`],
      ...["-subj", `/CN=${name}`],
    );
    await openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, "-days", "7"],
      ...["-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", `${Date.now()}`],
      ...["-extfile", `${name}.ext`],
    );
  };
  await sign("localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  await sign("client", "extendedKeyUsage=clientAuth\n");
  return {
    ca: await read("ca.pem"),
    serverCert: await read("localhost.pem"),
    serverKey: await read("localhost.key"),
    clientCert: await read("client.pem"),
    clientKey: await read("client.key"),
  };
}
