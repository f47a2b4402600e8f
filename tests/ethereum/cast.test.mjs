// cast, the command line of Foundry: the commands that its users type.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { ALICE, ALICE_ADDRESS, BOB_ADDRESS, CHAIN_ID, startNode } from "./node.mjs";

const MARKETPLACE = "0x4d61726b6574706c616365000000000000000001";
const USDC = "0x5553444300000000000000000000000000000001";
let node;

before(async () => { node = await startNode(); });
after(() => node?.stop());

// The wrapper of the npm package does not pass on the exit code, so an error shows on stderr only.
function run(...words) {
  const program = new URL("node_modules/.bin/cast", import.meta.url).pathname;
  const env = { ...process.env, NO_COLOR: "1" };
  return spawnSync(program, [...words, "--rpc-url", node.rpc], { encoding: "utf8", env });
}

function cast(...words) {
  const { stdout, stderr } = run(...words);
  assert.doesNotMatch(stderr, /^Error/m);
  return stdout.trim();
}

function send(...words) {
  return JSON.parse(cast("send", ...words, "--private-key", ALICE, "--json"));
}

test("reads", () => {
  assert.equal(cast("chain-id"), String(CHAIN_ID));
  assert.match(cast("block-number"), /^\d+$/);
  assert.match(cast("balance", ALICE_ADDRESS, "--ether"), /^1000000\./);
  assert.match(cast("block", "latest"), /stateRoot/);
  assert.match(cast("gas-price"), /^\d+$/);
  assert.equal(cast("code", USDC), "0xfe");
});

test("sends FLT and shows the receipt", () => {
  const sent = send(BOB_ADDRESS, "--value", "1ether");
  assert.equal(sent.status, "0x1");
  assert.match(cast("receipt", sent.transactionHash), /success/);
  assert.match(cast("tx", sent.transactionHash), new RegExp(BOB_ADDRESS, "i"));
  assert.equal(cast("nonce", ALICE_ADDRESS), "1");
});

test("sends legacy transactions", () => {
  assert.equal(send(BOB_ADDRESS, "--value", "1", "--legacy").status, "0x1");
});

test("sends USDC and reads it back", () => {
  const sent = send(USDC, "transfer(address,uint256)", BOB_ADDRESS, "1234567");
  assert.equal(sent.status, "0x1");
  assert.match(cast("call", USDC, "balanceOf(address)(uint256)", BOB_ADDRESS), /^1234567\b/);
  const logs = cast("logs", "--from-block", sent.blockNumber, "--address", USDC, "Transfer(address,address,uint256)");
  assert.match(logs, new RegExp(sent.transactionHash));
});

test("registers a provider", () => {
  const sent = send(MARKETPLACE, "registerProvider(string,bytes32,(string,(uint8,string,int64,uint32[3],string[]))[])", "cast", `0x${"0".repeat(64)}`, "[]");
  assert.equal(sent.status, "0x1");
  assert.equal(sent.logs.length, 1);
});

test("is told why something is refused", () => {
  const stranger = "0x00000000000000000000000000000000000000aa";
  const { stderr } = run("call", USDC, "transfer(address,uint256)", BOB_ADDRESS, "1", "--from", stranger);
  assert.match(stderr, /execution reverted/);
});
