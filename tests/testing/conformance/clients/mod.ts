// The clients that the scenarios run on, and how to get them.
import process from "node:process";
import { confluentPython, kcat, type Program } from "../../../support/librdkafka.ts";
import type {
  Access,
  ClientName,
  ClientTraits,
  ConformanceClient,
  JoinOptions,
  Member,
} from "../client.ts";
import { ConfluentClient, confluentDriver } from "./confluent.ts";
import { type Driver, programDriver } from "./driver.ts";
import { KafkajsClient } from "./kafkajs.ts";
import { KcatClient } from "./kcat.ts";
import { PlatformaticClient } from "./platformatic.ts";

export { ConfluentClient, confluentDriver } from "./confluent.ts";

/** A member in a process of its own. */
export interface ProcessMember {
  member: Member;
  /** Ends the process without a word to the group. */
  kill(): Promise<void>;
  /** Lets the process stand still. */
  freeze?(): void;
  /** Lets it go on. */
  thaw?(): void;
}

/** A client, before it has a broker. */
export interface ClientKind {
  name: ClientName;
  /** Whether it is on this machine, and if not, why. */
  available: Program;
  /** Makes a client, which connects when it has to. */
  connect(access: Access): ConformanceClient;
  /** Makes a member in another process. */
  joinInProcess(access: Access, options: JoinOptions): ProcessMember;
}

/** What each client can do, wherever it can be had. */
export const CLIENT_TRAITS: Readonly<Record<ClientName, ClientTraits>> = {
  kafkajs: KafkajsClient,
  "@platformatic/kafka": PlatformaticClient,
  "confluent-kafka": ConfluentClient,
  kcat: KcatClient,
};

const HERE: Program = { ok: true, command: process.execPath };

/**
 * Finds the clients.
 *
 * @returns All of them, those that are not on this machine included.
 */
export async function findClients(): Promise<ClientKind[]> {
  const [python, kcatProgram] = await Promise.all([confluentPython(), kcat()]);
  const pythonCommand = python.ok ? python.command : "";
  return [
    {
      name: "kafkajs",
      available: HERE,
      connect: (access) => new KafkajsClient(access),
      joinInProcess: (access, options) => overDriver(memberDriver("kafkajs"), access, options),
    },
    {
      name: "@platformatic/kafka",
      available: HERE,
      connect: (access) => new PlatformaticClient(access),
      joinInProcess: (access, options) => overDriver(memberDriver("platformatic"), access, options),
    },
    {
      name: "confluent-kafka",
      available: python,
      connect: (access) => new ConfluentClient(pythonCommand, access),
      joinInProcess: (access, options) =>
        overDriver(confluentDriver(pythonCommand), access, options),
    },
    {
      name: "kcat",
      available: kcatProgram,
      connect: (access) => new KcatClient(access),
      joinInProcess: (access, options) => {
        const member = new KcatClient(access).join(options);
        return { member, kill: () => member.kill() };
      },
    },
  ];
}

function memberDriver(name: "kafkajs" | "platformatic"): Driver {
  return programDriver(new URL("./member_program.ts", import.meta.url), [name]);
}

function overDriver(driver: Driver, access: Access, options: JoinOptions): ProcessMember {
  return {
    member: driver.join(access, options),
    kill: () => driver.kill(),
    freeze: () => driver.freeze(),
    thaw: () => driver.thaw(),
  };
}
