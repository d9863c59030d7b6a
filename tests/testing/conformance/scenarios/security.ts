import assert from "node:assert/strict";
import type { Feature } from "../client.ts";
import { refusal } from "../errors.ts";
import { type Scenario, scenario } from "../scenario.ts";

function needs(mechanism: string): { features: Feature[] } {
  return { features: mechanism === "plain" ? [] : ["scram"] };
}

/** What a broker does about who may come. */
export const securityScenarios: readonly Scenario[] = [
  scenario("talks over TLS", {}, async ({ broker, connect, topic }) => {
    const { bootstrapServers, ca } = broker.secure!.tls;
    const where = await topic();
    const client = connect({ bootstrapServers, ca });
    await client.write(where, [{ value: "over TLS" }]);
    assert.equal((await client.read(where, { count: 1 }))[0]!.value, "over TLS");
  }),

  ...(["plain", "scram-sha-256", "scram-sha-512"] as const).flatMap((mechanism) => [
    scenario(
      `takes a user with the right password: ${mechanism}`,
      needs(mechanism),
      async (scene) => {
        const { bootstrapServers, username, password } = scene.broker.secure!.sasl;
        const topic = await scene.topic();
        const client = scene.connect({
          bootstrapServers,
          sasl: { mechanism, username, password },
        });
        await client.write(topic, [{ value: mechanism }]);
        assert.equal((await client.read(topic, { count: 1 }))[0]!.value, mechanism);
      },
    ),

    scenario(
      `refuses a wrong password and a stranger: ${mechanism}`,
      { features: ["login errors"] },
      async (scene) => {
        const { bootstrapServers, username, password } = scene.broker.secure!.sasl;
        for (const wrong of [{ username, password: "wrong" }, { username: "eve", password }]) {
          const client = scene.connect({ bootstrapServers, sasl: { mechanism, ...wrong } });
          assert.match(await refusal(client.logIn()), /auth/i);
        }
      },
    ),
  ]),
];
