// viem reads, transfers FLT and USDC, calls the marketplace, waits for receipts and reads logs.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  createPublicClient, createWalletClient, defineChain, http, parseAbi, parseEther, parseEventLogs, webSocket, zeroHash,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { ALICE, BOB_ADDRESS, CHAIN_ID, startNode } from "./node.mjs";
import { compile } from "./solidity.mjs";

const MARKETPLACE = "0x4d61726b6574706c616365000000000000000001";
const USDC = "0x5553444300000000000000000000000000000001";
const usdcAbi = parseAbi([
  "function balanceOf(address owner) view returns (uint256)",
  "function totalSupply() view returns (uint256)",
  "function transfer(address to, uint256 value) returns (bool)",
  "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

const alice = privateKeyToAccount(ALICE);
let node, chain, client, wallet, owner;

before(async () => {
  node = await startNode();
  chain = defineChain({
    id: CHAIN_ID,
    name: "Marketplace+",
    nativeCurrency: { name: "FLT", symbol: "FLT", decimals: 18 },
    rpcUrls: { default: { http: [node.rpc] } },
  });
  client = createPublicClient({ chain, transport: http(), pollingInterval: 100 });
  wallet = createWalletClient({ account: alice, chain, transport: http() });
  owner = compile("Owner");
});

after(() => node?.stop());

async function receipt(hash) {
  return client.waitForTransactionReceipt({ hash });
}

test("reads chain, block and balances", async () => {
  assert.equal(await client.getChainId(), CHAIN_ID);
  const block = await client.getBlock({ includeTransactions: true });
  assert.equal(block.number >= 0n, true);
  const genesis = await client.getBlock({ blockNumber: 0n });
  const first = await client.waitForTransactionReceipt({
    hash: await wallet.sendTransaction({ to: alice.address, value: 0n }),
  });
  const parent = await client.getBlock({ blockNumber: first.blockNumber });
  const before = await client.getBlock({ blockHash: parent.parentHash });
  assert.equal(before.number, parent.number - 1n);
  assert.equal((await client.getBlock({ blockNumber: 1n })).parentHash, genesis.hash);
  assert.equal(await client.getBalance({ address: alice.address }) > parseEther("999999"), true);
});

test("transfers FLT and waits for the receipt", async () => {
  const value = parseEther("3");
  const before = await client.getBalance({ address: BOB_ADDRESS });
  const done = await receipt(await wallet.sendTransaction({ to: BOB_ADDRESS, value }));
  assert.equal(done.status, "success");
  assert.equal(await client.getBalance({ address: BOB_ADDRESS }), before + value);
  const sent = await client.getTransaction({ hash: done.transactionHash });
  assert.equal(sent.from.toLowerCase(), alice.address.toLowerCase());
  assert.equal(sent.blockNumber, done.blockNumber);
});

test("transfers USDC and reads its logs", async () => {
  const hash = await wallet.writeContract({
    address: USDC, abi: usdcAbi, functionName: "transfer", args: [BOB_ADDRESS, 2_500_000n],
  });
  const done = await receipt(hash);
  const [transfer] = parseEventLogs({ abi: usdcAbi, logs: done.logs });
  assert.equal(transfer.args.value, 2_500_000n);
  const logs = await client.getLogs({
    address: USDC, event: usdcAbi.at(-1), args: { to: BOB_ADDRESS }, fromBlock: done.blockNumber,
  });
  assert.deepEqual(logs.map((log) => log.transactionHash), [hash]);
});

test("grants an allowance by permit", async () => {
  const deadline = 4_000_000_000n;
  const value = 7_000_000n;
  const signature = await alice.signTypedData({
    domain: { name: "USDC", version: "1", chainId: CHAIN_ID, verifyingContract: USDC },
    types: {
      Permit: [
        { name: "owner", type: "address" }, { name: "spender", type: "address" }, { name: "value", type: "uint256" },
        { name: "nonce", type: "uint256" }, { name: "deadline", type: "uint256" },
      ],
    },
    primaryType: "Permit",
    message: { owner: alice.address, spender: BOB_ADDRESS, value, nonce: 0n, deadline },
  });
  const [r, s, v] = [signature.slice(0, 66), `0x${signature.slice(66, 130)}`, Number(`0x${signature.slice(130)}`)];
  const hash = await wallet.writeContract({
    address: USDC, abi: usdcAbi, functionName: "permit", args: [alice.address, BOB_ADDRESS, value, deadline, v, r, s],
  });
  assert.equal((await receipt(hash)).status, "success");
  const allowance = await client.readContract({
    address: USDC, abi: usdcAbi, functionName: "allowance", args: [alice.address, BOB_ADDRESS],
  });
  assert.equal(allowance, value);
});

test("a contract owns a provider, and a revert takes the marketplace back as well", async () => {
  const deployed = await receipt(await wallet.deployContract({ ...owner, args: [MARKETPLACE, USDC] }));
  const address = deployed.contractAddress;
  const call = async (functionName, args) =>
    receipt(await wallet.writeContract({ address, abi: owner.abi, functionName, args, gas: 3_000_000n }));
  const registered = async (done) => parseEventLogs({ abi: owner.abi, logs: done.logs })[0].args.provider;
  await receipt(await wallet.writeContract({
    address: USDC, abi: usdcAbi, functionName: "transfer", args: [address, 1_000_000n],
  }));

  const first = await registered(await call("register", ["contract's own"]));
  assert.equal((await call("describe", [first, zeroHash])).status, "success");

  const reverted = await call("registerAndRevert", ["never there", BOB_ADDRESS, 1_000_000n]);
  assert.equal(reverted.status, "reverted");
  assert.equal(reverted.logs.length, 0);
  const tried = await call("tryRegister", ["never there", BOB_ADDRESS, 1_000_000n]);
  assert.equal(tried.status, "success");
  assert.equal(tried.logs.length, 0);

  const second = await registered(await call("register", ["contract's second"]));
  assert.equal(second, first + 1n, "what was taken back used no id");
  const balance = await client.readContract({
    address: USDC, abi: usdcAbi, functionName: "balanceOf", args: [address],
  });
  assert.equal(balance, 1_000_000n, "and moved no money");
});

test("a stranger's call is refused with a reason", async () => {
  await assert.rejects(
    client.simulateContract({
      address: USDC, abi: usdcAbi, functionName: "transfer", args: [alice.address, 10n ** 18n], account: BOB_ADDRESS,
    }),
    /revert/i,
  );
  await assert.rejects(
    wallet.sendTransaction({ to: BOB_ADDRESS, value: 0n, nonce: 0, gas: 21_000n }),
    /nonce/i,
  );
});

test("follows new blocks and logs over WebSocket", async () => {
  const live = createPublicClient({ chain, transport: webSocket(node.ws) });
  const seen = new Promise((resolve, reject) => {
    const unwatch = live.watchEvent({
      address: USDC,
      event: usdcAbi.at(-1),
      onLogs: (logs) => { unwatch(); resolve(logs[0]); },
      onError: reject,
    });
  });
  const heads = new Promise((resolve, reject) => {
    const unwatch = live.watchBlockNumber({ onBlockNumber: (number) => { unwatch(); resolve(number); }, onError: reject });
  });
  assert.equal(typeof (await heads), "bigint");
  const hash = await wallet.writeContract({
    address: USDC, abi: usdcAbi, functionName: "transfer", args: [BOB_ADDRESS, 1n],
  });
  assert.equal((await seen).transactionHash, hash);
  await (await live.transport.getRpcClient()).close();
});
