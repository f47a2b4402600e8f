// Compiles a contract of this folder with solc from npm.
import { readFileSync } from "node:fs";
import solc from "solc";

export function compile(name) {
  const file = `${name}.sol`;
  const content = readFileSync(new URL(`contracts/${file}`, import.meta.url), "utf8");
  const published = new URL("../../crates/abi/solidity/", import.meta.url);
  const input = {
    language: "Solidity",
    sources: { [file]: { content } },
    settings: { outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
  };
  const find = (path) => ({ contents: readFileSync(new URL(path, published), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const { abi, evm } = output.contracts[file][name];
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}
