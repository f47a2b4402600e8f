// Starts a one-validator network in a temporary folder and stops it again.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// Well-known test keys; they hold nothing anywhere else.
export const ALICE = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
export const BOB = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
export const ALICE_ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
export const BOB_ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
export const CHAIN_ID = 31337;

export async function startNode() {
  const folder = mkdtempSync(join(tmpdir(), "mp-ethereum-"));
  const network = join(folder, "network");
  const mp = process.env.MP;
  if (!mp) throw new Error("MP must name the mp program; run `cargo xtask test ethereum`");
  execFileSync(mp, ["testnet", network, "--rpc-port", "0", "--p2p-port", "0", "--fund", ALICE_ADDRESS, "--parameter", "deposit_gwei=0"]);
  const child = spawn(mp, ["node", join(network, "node-0", "node.toml")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const line = await Promise.race([
    new Promise((resolve) => createInterface({ input: child.stdout }).once("line", resolve)),
    exited.then((code) => Promise.reject(new Error(`the node ended with ${code}`))),
  ]);
  const { rpc } = JSON.parse(line);
  return {
    rpc,
    ws: rpc.replace("http://", "ws://"),
    async stop() {
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}
