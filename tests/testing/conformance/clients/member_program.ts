// A member of a group in a process of its own, so that it can be killed or stand still. It takes the
// same commands as confluent.py, and lives as long as its input.
import process from "node:process";
import { createInterface } from "node:readline";
import type { Access, JoinOptions, Member, Read, ToCommit } from "../client.ts";
import { errorName } from "../errors.ts";
import { KafkajsClient } from "./kafkajs.ts";
import { PlatformaticClient } from "./platformatic.ts";

interface Command {
  id: number;
  do: "join" | "commit" | "leave";
  member: number;
  access: Access;
  offsets: ToCommit[];
}

const Client = process.argv[2] === "kafkajs" ? KafkajsClient : PlatformaticClient;
const members = new Map<number, Member>();

function emit(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function join(command: Command & JoinOptions): void {
  const member = new Client(command.access).join(command);
  members.set(command.member, member);
  let told = 0;
  let assigned: readonly string[] | undefined;
  // It never holds: this is how to be told of each change.
  member.until(() => {
    if (member.assigned !== assigned) {
      assigned = member.assigned;
      emit({ member: command.member, assigned: assigned ?? null });
    }
    const records: Read[] = member.records.slice(told);
    told = member.records.length;
    if (records.length > 0) emit({ member: command.member, records });
    return false;
  }).catch((error) => {
    emit({
      member: command.member,
      error: { name: errorName(error), code: 0, message: `${error}` },
    });
  });
}

async function run(command: Command & JoinOptions): Promise<void> {
  try {
    if (command.do === "join") join(command);
    if (command.do === "commit") await members.get(command.member)!.commit!(command.offsets);
    if (command.do === "leave") await members.get(command.member)!.leave();
    emit({ id: command.id });
  } catch (error) {
    emit({ id: command.id, error: { name: errorName(error), code: 0, message: `${error}` } });
  }
}

createInterface({ input: process.stdin })
  .on("line", (line) => void run(JSON.parse(line)))
  .on("close", () => process.exit());
