// The image of examples/kubernetes.yaml is one of Deno's.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { createInterface } from "node:readline";
import { describe, it } from "#std/testing/bdd";
import { parse } from "yaml";
import { freePort } from "../../support/free_port.ts";
import { smallTopic } from "../small_topic.ts";
import { ROOT } from "../support.ts";

interface Probe {
  httpGet: { path: string; port: string };
  timeoutSeconds: number;
}

interface Container {
  command: string[];
  workingDir: string;
  env: { name: string; value: string }[];
  ports: { name: string; containerPort: number }[];
  startupProbe: Probe;
  livenessProbe: Probe;
  readinessProbe: Probe;
}

interface Deployment {
  kind: string;
  spec: {
    selector: { matchLabels: Record<string, string> };
    template: {
      metadata: { labels: Record<string, string>; annotations: Record<string, string> };
      spec: { terminationGracePeriodSeconds: number; containers: [Container] };
    };
  };
}

/** What is there beside handlers when a stop ends: threads, the group, the server. */
const AFTER_STOP_SECONDS = 10;

const text = await readFile(new URL("../../../examples/kubernetes.yaml", import.meta.url), "utf8");
const { kind, spec: { selector, template } }: Deployment = parse(text);
const { metadata, spec: { terminationGracePeriodSeconds, containers: [container] } } = template;
const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));

describe("examples/kubernetes.yaml", () => {
  it("fits together", () => {
    assert.equal(kind, "Deployment");
    assert.deepEqual(selector.matchLabels, metadata.labels);
    for (const { value } of container.env) assert.equal(typeof value, "string");
    const stopSeconds = Number(env["STOP_TIMEOUT_MS"]) / 1_000;
    assert(terminationGracePeriodSeconds >= stopSeconds + AFTER_STOP_SECONDS);
    const [port] = container.ports;
    assert.equal(`${port!.containerPort}`, env["PORT"]);
    assert.equal(metadata.annotations["prometheus.io/port"], env["PORT"]);
    for (const probe of probes()) assert.equal(probe.httpGet.port, port!.name);
  });

  it("runs a program that answers its probes, and ends with 0 at SIGTERM", {
    timeout: 60_000,
  }, async () => {
    const [program, ...args] = container.command;
    assert.equal(program, "deno");
    // What is another one here: the port, as this machine has others, and the Kafka.
    const port = await freePort();
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, ...env, ...await smallTopic(), PORT: `${port}`, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    try {
      const status = async (path: string) => {
        const response = await fetch(`http://127.0.0.1:${port}${path}`);
        await response.body?.cancel();
        return response.status;
      };
      for await (const line of createInterface({ input: child.stdout })) {
        const { message } = JSON.parse(line);
        if (message.startsWith("Health is served")) {
          assert.equal(await status(container.livenessProbe.httpGet.path), 200);
        } else if (message.startsWith("Kafka consumer started")) {
          for (const { httpGet } of probes()) assert.equal(await status(httpGet.path), 200);
          assert.equal(await status(metadata.annotations["prometheus.io/path"]!), 200);
        } else if (message.startsWith("Order 19 is sealed")) {
          // Not by kill() of the child itself: Deno would take it for ended by the signal.
          process.kill(child.pid!, "SIGTERM");
        }
      }
      assert.deepEqual(await exited, [0, null]);
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  });
});

function probes(): Probe[] {
  return [container.startupProbe, container.livenessProbe, container.readinessProbe];
}
