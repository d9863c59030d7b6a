import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { saslPlain, saslScramSha } from "@platformatic/kafka";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { type SaslMechanism, SaslSession } from "../../../src/testing/sasl/sasl_session.ts";
import { ScramExchange } from "../../../src/testing/sasl/scram.ts";

const MECHANISMS: readonly SaslMechanism[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const SCRAMS = ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const;
const USERS = { alice: "alice-secret", "a=b,c=d": "odd = name, odd = password", ÿñî: "pässwörd ✓" };
const WRONG_PLAIN = "Authentication failed: Invalid username or password";
const wrongScram = (mechanism: string) =>
  `Authentication failed during authentication due to invalid credentials with SASL mechanism ${mechanism}`;

type Login = (
  session: SaslSession,
  mechanism: SaslMechanism,
  user: { username: string; password: string },
) => Promise<unknown>;

/** Rejects with the broker's message, as clients do. */
async function ask(session: SaslSession, bytes: Buffer): Promise<Buffer> {
  const { errorCode, errorMessage, authBytes, done } = await session.authenticate(bytes);
  if (errorCode === ERROR.NONE) {
    assert.equal(errorMessage, null);
    assert.equal(done, session.done);
    return authBytes;
  }
  assert.equal(errorCode, ERROR.SASL_AUTHENTICATION_FAILED);
  assert.equal(done, false);
  assert.equal(authBytes.length, 0);
  throw new Error(errorMessage!);
}

const require = createRequire(import.meta.url);
const KAFKAJS_FILES = { PLAIN: "plain", "SCRAM-SHA-256": "scram256", "SCRAM-SHA-512": "scram512" };

const kafkajs: Login = (session, mechanism, user) => {
  const provider = require(
    `kafkajs/src/broker/saslAuthenticator/${KAFKAJS_FILES[mechanism]}.js`,
  );
  const logger = { debug: () => {}, error: () => {} };
  return provider(user)({
    host: "127.0.0.1",
    port: 9092,
    logger,
    saslAuthenticate: async ({ request, response }: {
      request: { encode: () => Promise<Buffer> };
      response?: { decode: (raw: Buffer) => Promise<Buffer>; parse: (data: Buffer) => unknown };
    }) => {
      // It writes and reads these bytes with their length of 4 bytes.
      const answer = await ask(session, (await request.encode()).subarray(4));
      const length = Buffer.alloc(4);
      length.writeInt32BE(answer.length);
      return await response?.parse(await response.decode(Buffer.concat([length, answer])));
    },
  }).authenticate();
};

const platformatic: Login = (session, mechanism, { username, password }) => {
  const api = (
    _connection: unknown,
    bytes: Buffer,
    callback: (error: Error | null, response?: unknown) => void,
  ) => {
    ask(session, bytes).then((authBytes) => callback(null, { authBytes }), callback);
  };
  // deno-lint-ignore no-explicit-any
  const given = [api, {}] as any as [never, never];
  return mechanism === "PLAIN"
    ? saslPlain.authenticate(...given, username, password)
    : saslScramSha.authenticate(
      ...given,
      mechanism === "SCRAM-SHA-256" ? "SHA-256" : "SHA-512",
      username,
      password,
    ) as Promise<unknown>;
};

function begin(mechanism: string, users: Record<string, string> = USERS): SaslSession {
  const session = new SaslSession(users, MECHANISMS);
  assert.deepEqual(session.handshake(mechanism), {
    errorCode: ERROR.NONE,
    mechanisms: [...MECHANISMS],
  });
  return session;
}

/** All messages of an error and of its causes. */
function messages(error: unknown): string {
  return error instanceof Error ? `${error.message} ${messages(error.cause)}` : "";
}

for (const [client, login] of Object.entries({ kafkajs, platformatic })) {
  for (const mechanism of MECHANISMS) {
    describe(`SaslSession, ${client}, ${mechanism}`, () => {
      it("lets users in who know their password", async () => {
        for (const [username, password] of Object.entries(USERS)) {
          const session = begin(mechanism);
          await login(session, mechanism, { username, password });
          assert.equal(session.state, "done");
          assert.ok(session.done);
          assert.equal(session.username, username);
          assert.equal(session.failure, undefined);
          assert.ok(session.allows(0));
        }
      });

      it("turns away who does not, without telling what is wrong", async () => {
        const told = mechanism === "PLAIN" ? WRONG_PLAIN : wrongScram(mechanism);
        const wrong: [string, string, RegExp][] = [
          ["alice", "alice-secreT", /wrong password of "alice"/],
          ["alice", "alice-secret ", /wrong password of "alice"/],
          ["bob", "alice-secret", /no user "bob"/],
          ["constructor", "alice-secret", /no user "constructor"/],
          ["__proto__", "alice-secret", /no user "__proto__"/],
        ];
        for (const [username, password, reason] of wrong) {
          const session = begin(mechanism);
          await assert.rejects(
            async () => await login(session, mechanism, { username, password }),
            (error) => messages(error).includes(told),
          );
          assert.equal(session.state, "failed");
          assert.equal(session.username, undefined);
          assert.match(session.failure!, reason);
          for (const apiKey of [0, 17, 18, 36]) assert.equal(session.allows(apiKey), false);
        }
      });

      it("takes any name and any password", async () => {
        // PLAIN ends both at a NUL; platformatic 2.12 escapes only the first comma of a name.
        const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) =>
          !text.includes("\0")
        );
        const name = client === "platformatic"
          ? text.map((text) => text.replaceAll(",", "="))
          : text;
        await fc.assert(
          fc.asyncProperty(name, text, async (username, password) => {
            const users = { [username]: password };
            const session = begin(mechanism, users);
            await login(session, mechanism, { username, password });
            assert.equal(session.username, username);
          }),
          { numRuns: 30 },
        );
      });
    });
  }
}

describe("SaslSession", () => {
  it("answers a handshake for a mechanism that is not there with those that are", () => {
    for (const mechanism of ["SCRAM-SHA-512", "GSSAPI", "plain", ""]) {
      const session = new SaslSession(USERS, ["plain", "scram-sha-256"]);
      assert.deepEqual(session.handshake(mechanism), {
        errorCode: ERROR.UNSUPPORTED_SASL_MECHANISM,
        mechanisms: ["PLAIN", "SCRAM-SHA-256"],
      });
      assert.equal(session.state, "failed");
      assert.match(session.failure!, /is not one of PLAIN, SCRAM-SHA-256$/);
    }
  });

  it("allows before the end only what leads there", () => {
    const session = new SaslSession(USERS, MECHANISMS);
    assert.deepEqual([18, 17, 36, 3, 0].map((key) => session.allows(key)), [
      ...[true, true, true],
      ...[false, false],
    ]);
    session.handshake("PLAIN");
    assert.deepEqual([18, 17, 36, 3, 0].map((key) => session.allows(key)), [
      ...[false, true, true],
      ...[false, false],
    ]);
  });

  it("wants a handshake first, and once", async () => {
    const early = new SaslSession(USERS, MECHANISMS);
    const answer = await early.authenticate(Buffer.from("\0alice\0alice-secret"));
    assert.equal(answer.errorCode, ERROR.ILLEGAL_SASL_STATE);
    assert.equal(early.state, "failed");

    const twice = begin("PLAIN");
    assert.equal(twice.handshake("PLAIN").errorCode, ERROR.ILLEGAL_SASL_STATE);
    assert.equal(twice.state, "failed");
    const late = await twice.authenticate(Buffer.from("\0alice\0alice-secret"));
    assert.equal(late.errorCode, ERROR.ILLEGAL_SASL_STATE);
  });

  it("keeps who is in, whatever is asked again", async () => {
    const session = begin("PLAIN");
    await ask(session, Buffer.from("\0alice\0alice-secret"));
    assert.equal(session.handshake("PLAIN").errorCode, ERROR.ILLEGAL_SASL_STATE);
    const again = await session.authenticate(Buffer.from("\0alice\0wrong"));
    assert.equal(again.errorCode, ERROR.ILLEGAL_SASL_STATE);
    assert.equal(
      again.errorMessage,
      "SaslAuthenticate request received after successful authentication",
    );
    assert.ok(session.done);
    assert.equal(session.username, "alice");
  });

  it("lets PLAIN act only as oneself", async () => {
    await ask(begin("PLAIN"), Buffer.from("alice\0alice\0alice-secret"));
    await assert.rejects(ask(begin("PLAIN"), Buffer.from("root\0alice\0alice-secret")), {
      message:
        "Authentication failed: Client requested an authorization id that is different from username",
    });
  });

  it("turns malformed PLAIN away", async () => {
    const malformed: [string, RegExp][] = [
      ["", /1 parts instead of 3/],
      ["alice", /1 parts instead of 3/],
      ["alice\0alice-secret", /2 parts instead of 3/],
      ["\0alice\0alice-secret\0", /4 parts instead of 3/],
      ["\0\0alice-secret", /user name is empty/],
      ["\0alice\0", /password is empty/],
    ];
    for (const [message, reason] of malformed) {
      const session = begin("PLAIN");
      await assert.rejects(ask(session, Buffer.from(message)), { message: wrongScram("PLAIN") });
      assert.match(session.failure!, reason);
    }
  });

  it("turns malformed first messages of SCRAM away", async () => {
    const malformed: [string, RegExp][] = [
      ["", /first message of SCRAM is malformed/],
      ["n,,n=alice", /malformed/],
      ["n,,r=nonce,n=alice", /malformed/],
      ["n,,n=alice,r=", /malformed/],
      ["n,,n=,r=nonce", /malformed/],
      ["y,,n=alice,r=nonce", /malformed/],
      ["p=tls-unique,,n=alice,r=nonce", /malformed/],
      ["n,,m=ext,n=alice,r=nonce", /malformed/],
      ["n,,n=a=b,r=nonce", /user name "a=b" is malformed/],
      ["n,,n=alice=2,r=nonce", /user name "alice=2" is malformed/],
      ["n,,n=alice=2c,r=nonce", /malformed/],
      ["n,,n=alice\0,r=nonce", /malformed/],
    ];
    for (const mechanism of SCRAMS) {
      for (const [message, reason] of malformed) {
        const session = begin(mechanism);
        await assert.rejects(ask(session, Buffer.from(message)), {
          message: wrongScram(mechanism),
        });
        assert.match(session.failure!, reason, message);
      }
    }
  });

  it("lets SCRAM act only as oneself", async () => {
    await ask(begin("SCRAM-SHA-256"), Buffer.from("n,a=alice,n=alice,r=nonce"));
    await assert.rejects(ask(begin("SCRAM-SHA-256"), Buffer.from("n,a=root,n=alice,r=nonce")), {
      message:
        "Authentication failed: Client requested an authorization id that is different from username",
    });
  });

  it("gives each exchange a nonce and a salt of its own, behind the client's nonce", async () => {
    const seen = new Set<string>();
    for (let turn = 0; turn < 10; turn++) {
      const answer = await ask(begin("SCRAM-SHA-512"), Buffer.from("n,,n=alice,r=abc"));
      const [, nonce, salt, iterations] =
        /^r=abc([\x21-\x2b\x2d-\x7e]{16,}),s=([A-Za-z0-9+/=]+),i=(\d+)$/.exec(`${answer}`)!;
      assert.equal(Buffer.from(salt!, "base64").length, 16);
      assert.equal(iterations, "4096");
      seen.add(nonce!).add(salt!);
    }
    assert.equal(seen.size, 20);
  });

  it("never rejects, and lets nobody in, whatever the bytes are", async () => {
    const arbitraryBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    const arbitraryText = fc.array(
      fc.constantFrom("n", "y", ",", ",,", "n=", "r=", "a=", "alice", "c=biws", "p=", "=", "\0"),
      { maxLength: 12 },
    ).map((parts) => Buffer.from(parts.join("")));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...MECHANISMS),
        fc.array(fc.oneof(arbitraryBytes, arbitraryText), { maxLength: 3 }),
        async (mechanism, sent) => {
          const session = begin(mechanism);
          for (const bytes of sent) await session.authenticate(bytes);
          assert.equal(session.done, false);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("ScramExchange", () => {
  // The example of RFC 7677, section 3.
  const NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const FIRST = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
  const PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

  async function exchange(
    final: string,
  ): Promise<{ bytes: Buffer; username?: string | undefined }> {
    const scram = new ScramExchange({
      hash: "sha256",
      passwordOf: (name) => name === "user" ? "pencil" : undefined,
      newNonce: () => "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
      newSalt: () => Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"),
    });
    assert.equal(
      `${(await scram.step(Buffer.from(FIRST))).bytes}`,
      `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    );
    return await scram.step(Buffer.from(final));
  }

  it("agrees with the example of RFC 7677", async () => {
    const { bytes, username } = await exchange(`c=biws,r=${NONCE},p=${PROOF}`);
    assert.equal(`${bytes}`, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert.equal(username, "user");
  });

  it("turns every change of the final message away", async () => {
    const wrong: [string, RegExp][] = [
      [`c=biws,r=${NONCE}x,p=${PROOF}`, /nonce/],
      [`c=biws,r=rOprNGfwEbeRWgbNEkqO,p=${PROOF}`, /nonce/],
      [`c=eSws,r=${NONCE},p=${PROOF}`, /header/],
      [`c=,r=${NONCE},p=${PROOF}`, /malformed/],
      [`r=${NONCE},p=${PROOF}`, /malformed/],
      [`c=biws,r=${NONCE}`, /malformed/],
      [`c=biws,r=${NONCE},p=`, /malformed/],
      [`c=biws,r=${NONCE},p=${PROOF},x=1`, /malformed/],
      [`c=biws,r=${NONCE},x=1,p=${PROOF}`, /wrong password/],
      [`c=biws,r=${NONCE},p=e${PROOF.slice(1)}`, /wrong password/],
      [`c=biws,r=${NONCE},p=${PROOF.slice(0, 40)}`, /wrong password/],
      [`c=biws,r=${NONCE},p=${PROOF.slice(0, -1)}AAAA`, /wrong password/],
      ["", /malformed/],
      [FIRST, /malformed/],
    ];
    for (const [final, reason] of wrong) await assert.rejects(exchange(final), reason, final);
  });
});
