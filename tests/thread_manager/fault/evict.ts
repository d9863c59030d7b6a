import { Connection, leaveGroupV4 } from "@platformatic/kafka";

/**
 * Takes a member out of its group behind its back, as the end of its session does: the broker is told
 * in its name that it leaves.
 *
 * @param bootstrapServers `host:port` of the only broker.
 * @param groupId The group.
 * @param memberId The member.
 */
export async function evict(
  bootstrapServers: string,
  groupId: string,
  memberId: string,
): Promise<void> {
  const [host, port] = bootstrapServers.split(":");
  const connection = new Connection("kafka-threads-tests");
  try {
    await connection.connect(host!, Number(port));
    await leaveGroupV4.api.async(connection, groupId, [{ memberId, groupInstanceId: null }]);
  } finally {
    await connection.close();
  }
}
