// ethers does the same from its own side: signer, contract, filter, revert data.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Contract, ContractFactory, JsonRpcProvider, Wallet, parseEther } from "ethers";
import { ALICE, BOB_ADDRESS, CHAIN_ID, startNode } from "./node.mjs";
import { compile } from "./solidity.mjs";

const MARKETPLACE = "0x4d61726b6574706c616365000000000000000001";
const USDC = "0x5553444300000000000000000000000000000001";
const usdcAbi = [
  "function balanceOf(address owner) view returns (uint256)",
  "function transfer(address to, uint256 value) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
];
let node, provider, alice, usdc;

before(async () => {
  node = await startNode();
  // A block comes sooner than ethers forgets an answer, such as the next nonce.
  provider = new JsonRpcProvider(node.rpc, CHAIN_ID, { staticNetwork: true, pollingInterval: 100, cacheTimeout: -1 });
  alice = new Wallet(ALICE, provider);
  usdc = new Contract(USDC, usdcAbi, alice);
});

after(async () => {
  provider?.destroy();
  await node?.stop();
});

test("sends FLT and waits", async () => {
  const sent = await alice.sendTransaction({ to: BOB_ADDRESS, value: parseEther("1") });
  const receipt = await sent.wait();
  assert.equal(receipt.status, 1);
  assert.equal(await provider.getBalance(BOB_ADDRESS), parseEther("1"));
});

test("sends USDC and finds the event", async () => {
  const before = await usdc.balanceOf(BOB_ADDRESS);
  const receipt = await (await usdc.transfer(BOB_ADDRESS, 5n)).wait();
  assert.equal(await usdc.balanceOf(BOB_ADDRESS), before + 5n);
  const events = await usdc.queryFilter(usdc.filters.Transfer(null, BOB_ADDRESS), receipt.blockNumber);
  assert.equal(events[0].transactionHash, receipt.hash);
});

test("deploys a contract that owns a provider", async () => {
  const { abi, bytecode } = compile("Owner");
  const contract = await new ContractFactory(abi, bytecode, alice).deploy(MARKETPLACE, USDC);
  await contract.waitForDeployment();
  const receipt = await (await contract.register("ethers")).wait();
  const registered = receipt.logs.map((log) => contract.interface.parseLog(log)).find((log) => log?.name === "Registered");
  assert.equal(registered.args.provider > 0n, true);
});

test("a refusal carries its data", async () => {
  await assert.rejects(usdc.transfer.staticCall(BOB_ADDRESS, 10n ** 30n), (error) => {
    assert.equal(error.code, "CALL_EXCEPTION");
    assert.match(error.data, /^0x[0-9a-f]{8}/);
    return true;
  });
});
