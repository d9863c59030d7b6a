import { createHash, randomBytes } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CACHE_FOLDER } from "./java.ts";

/** Who a broker's storage belongs to. */
export interface StorageOwner {
  clusterId: string;
  nodeId: number;
}

/**
 * Makes the storage of a new broker: a copy of what `kafka-storage format` made before with the same
 * arguments, as that takes a Java and more than a second of a core.
 *
 * @param folder The storage, which is not there yet.
 * @param owner Who it is for.
 * @param args What the result depends on: the class path, and the tool's further arguments.
 * @param format Runs the tool, which makes the folder.
 */
export async function formatStorage(
  folder: string,
  owner: StorageOwner,
  args: readonly string[],
  format: () => Promise<void>,
): Promise<void> {
  const key = createHash("sha256").update(JSON.stringify(args)).digest("hex");
  const kept = join(CACHE_FOLDER, `storage-${key.slice(0, 16)}`);
  const copied = await copyStorage(kept, folder, owner).then(() => true, () => false);
  if (copied) return;
  await rm(folder, { recursive: true, force: true });
  await format();
  await keep(folder, kept).catch(() => {
    // Somebody else was quicker, or nothing can be kept here: it only saves time.
  });
}

/**
 * Copies the storage of a broker for another one.
 *
 * @param from The formatted storage.
 * @param to Where the copy goes.
 * @param owner Who the copy is for.
 * @throws {Error} If it is not there, or is not what the tool makes.
 */
export async function copyStorage(from: string, to: string, owner: StorageOwner): Promise<void> {
  const ids: Record<string, string> = {
    "cluster.id": owner.clusterId,
    "node.id": `${owner.nodeId}`,
    "directory.id": randomBytes(16).toString("base64url"),
  };
  await cp(from, to, { recursive: true });
  const file = join(to, "meta.properties");
  let found = 0;
  const text = (await readFile(file, "utf8"))
    .replace(/^(cluster\.id|node\.id|directory\.id)=.*$/gm, (_, key: string) => {
      found++;
      return `${key}=${ids[key]}`;
    });
  if (found !== 3) throw new Error(`Cannot copy "${from}": its meta.properties has not all ids`);
  await writeFile(file, text);
}

/** Others see all of it or nothing. */
async function keep(folder: string, kept: string): Promise<void> {
  await mkdir(CACHE_FOLDER, { recursive: true });
  const draft = await mkdtemp(`${kept}-`);
  try {
    await cp(folder, draft, { recursive: true });
    await rename(draft, kept);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
