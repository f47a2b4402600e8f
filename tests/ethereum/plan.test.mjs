// The published JSON schema of plans, as editors use it: good plans fit, and what does not fit `mp deploy plan` refuses.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import Ajv from "ajv";
import { parse, stringify } from "smol-toml";

const ROOT = join(import.meta.dirname, "../..");
const MP = process.env.MP;
const schema = JSON.parse(execFileSync(MP, ["deploy", "schema"]));
const fits = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);
const example = readFileSync(join(ROOT, "crates/cli/src/plan/fields.toml"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "mp-plan-"));

after(() => rmSync(folder, { recursive: true }));

function toml(...path) {
  return parse(readFileSync(join(ROOT, ...path), "utf8"));
}

/** What `mp` says of a plan that it cannot read; empty if it can. Nobody is asked, and no function is there. */
function faults(plan) {
  const file = join(folder, "plan.toml");
  writeFileSync(file, stringify(plan));
  const said = spawnSync(MP, ["--rpc", "http://127.0.0.1:1", "deploy", "plan", file], { encoding: "utf8" });
  return said.stderr.split("\n").filter((line) => line.startsWith("line ")).map((line) => line.replace(/^line \d+: /, ""));
}

/** Every field that the schema has, by path; lists stand for their first entry. */
function* fields(node, path = []) {
  const table = node.items?.properties ? node.items : node;
  for (const [name, field] of Object.entries(table.properties ?? {})) {
    const isNeeded = (table.required ?? []).includes(name);
    yield { path: [...path, name], isNeeded, isTable: "properties" in (field.items ?? field) };
    yield* fields(field, [...path, name]);
  }
}

/** The example with another value at a field, or without the field. */
function changed(path, value) {
  const plan = parse(example);
  const within = path.slice(0, -1).reduce((table, name) => [table[name]].flat()[0], plan);
  if (value === undefined) delete within[path.at(-1)];
  else within[path.at(-1)] = value;
  return plan;
}

test("the printed schema is the checked-in one", () => {
  const kept = readFileSync(join(ROOT, "docs/reference/plan.schema.json"), "utf8");
  assert.deepEqual(schema, JSON.parse(kept));
});

test("good plans fit the schema", () => {
  const plans = [["crates/cli/src/plan/fields.toml"], ["crates/cli/tests/plans/good.toml"]];
  const folder = "crates/cli/tests/impossible";
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(".toml"));
  plans.push(...names.map((name) => [folder, name]));
  for (const path of plans) {
    assert.ok(fits(toml(...path)), `${path}: ${JSON.stringify(fits.errors)}`);
  }
  assert.ok(plans.length > 5);
});

test("what the schema refuses of a field, reading refuses too", () => {
  // It has secrets and sources, which no plan may have both; nothing else is wrong.
  const usual = faults(parse(example));
  let count = 0;
  for (const { path, isNeeded, isTable } of fields(schema)) {
    const wrong = [[true, true], [undefined, isNeeded]];
    for (const [value, isRefused] of wrong) {
      const plan = changed(path, value);
      assert.equal(fits(plan), !isRefused, `${path} = ${value}: ${JSON.stringify(fits.errors)}`);
      if (isRefused) assert.ok(faults(plan).some((what) => !usual.includes(what)), `${path} = ${value}`);
    }
    if (isTable) {
      const plan = changed([...path, "replicas"], 2);
      assert.ok(!fits(plan) && faults(plan).some((what) => what.includes("`replicas`")), `${path}`);
    }
    count += 1;
  }
  assert.ok(count > 30, `${count} fields`);
  assert.ok(!fits(changed(["replicas"], 2)));
});

test("odd values are refused by both", () => {
  const odd = [
    [["limit_price"], "0,50"], [["limit_price"], "0.1234567"], [["funds"], 12], [["duration"], "a month"],
    [["min_workers"], -1], [["target_workers"], 65536], [["monitor"], "0x12"], [["outbound"], ["ftp://example.com"]],
    [["requirements", "of"], "server"], [["requirements", "test"], "like"], [["requirements", "value"], { version: [1, 2] }],
    [["providers", "allow"], ["Alpine Compute"]], [["secrets", "API_KEY"], 5],
  ];
  const usual = faults(parse(example));
  for (const [path, value] of odd) {
    const plan = changed(path, value);
    assert.ok(!fits(plan), `${path} = ${value}`);
    assert.ok(faults(plan).some((what) => !usual.includes(what)), `${path} = ${value}`);
  }
});
