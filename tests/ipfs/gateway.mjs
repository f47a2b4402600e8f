// A trustless gateway on loopback: the files of a folder, as the importer of Helia makes blocks of them, and the blocks by their CIDs.
// Prints one line of JSON, where it serves and what CIDs the files have by how they were added, and serves until its input ends.
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { MemoryBlockstore } from "blockstore-core";
import { importer } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced } from "ipfs-unixfs-importer/layout";
import { CID } from "multiformats/cid";

const BLOCK = "application/vnd.ipld.raw";

/** How `ipfs add` makes files: as it did first, as it does with `--cid-version=1`, and in parts so small that they lie deep. */
const WAYS = {
  old: { cidVersion: 0, rawLeaves: false },
  usual: { cidVersion: 1, rawLeaves: true },
  deep: {
    cidVersion: 1,
    rawLeaves: true,
    chunker: fixedSize({ chunkSize: 4096 }),
    layout: balanced({ maxChildrenPerNode: 8 }),
  },
};

const [folder] = process.argv.slice(2);
const blocks = new MemoryBlockstore();
const cids = {};
for (const [way, options] of Object.entries(WAYS)) {
  const files = readdirSync(folder).map((path) => ({ path, content: readFileSync(join(folder, path)) }));
  for await (const { path, cid } of importer(files, blocks, { ...options, wrapWithDirectory: true })) {
    cids[path === "" ? way : `${way}/${path}`] = cid.toString();
  }
}

/** The bytes of a block; none if there is no such block. */
async function block(name) {
  const parts = [];
  const found = await blocks.get(CID.parse(name));
  if (found instanceof Uint8Array) return found;
  for await (const part of found) parts.push(part);
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://gateway");
  const asked = request.headers.accept === BLOCK && searchParams.get("format") === "raw";
  try {
    const found = await block(pathname.slice("/ipfs/".length));
    response.writeHead(asked ? 200 : 406, { "content-type": BLOCK }).end(asked ? found : undefined);
  } catch (error) {
    response.writeHead(404).end(error.message);
  }
});
server.listen(0, "127.0.0.1", () => {
  const { address, port } = server.address();
  console.log(JSON.stringify({ url: `http://${address}:${port}`, cids }));
});
process.stdin.resume().on("end", () => process.exit());
