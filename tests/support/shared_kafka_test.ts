import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { sharedKafka, sharedKafkaVariables } from "./kafka/mod.ts";
import { SASL_USER } from "./kafka/sasl.ts";

describe("sharedKafka()", () => {
  it("is the one that the environment names, as another process has written it down", async () => {
    const kafka = {
      bootstrapServers: "127.0.0.1:1,127.0.0.1:2",
      tls: { bootstrapServers: "127.0.0.1:3", ca: "ca\n", clientCert: "cert", clientKey: "key" },
      sasl: { bootstrapServers: "127.0.0.1:4", ...SASL_USER, mechanisms: ["plain" as const] },
    };
    const variables = sharedKafkaVariables("embedded", kafka);
    const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, variables);
    try {
      assert.deepEqual(await sharedKafka(), kafka);
      delete process.env["KAFKA_THREADS_TEST_KAFKA"];
      const { bootstrapServers } = kafka;
      assert.deepEqual(await sharedKafka(), { bootstrapServers, tls: undefined, sasl: undefined });
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });
});
