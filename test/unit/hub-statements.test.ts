import { expect, test } from "vitest";
import { statementNames } from "../../cloud-sync/hub/database/postgres-statements.ts";

const often = (nameOf: ReturnType<typeof statementNames>, text: string, values = 1) => {
  for (let time = 1; time < 3; time += 1) expect(nameOf(text, values)).toBeNull();
  return nameOf(text, values);
};

test("a statement that comes a third time has a name from then on, and no other text has it", () => {
  const nameOf = statementNames();
  const one = often(nameOf, "select a from t where b = $1");
  const other = often(nameOf, "select b from t where a = $1");
  expect(one).not.toBeNull();
  expect(other).not.toBeNull();
  expect(one).not.toBe(other);
  expect(nameOf("select a from t where b = $1", 1)).toBe(one);
});

test.each([
  ["without values", "begin", 0],
  ["of all columns", 'select * from "t" where a = $1', 1],
  ["of all columns of one table", 'select "t".* from "t" where a = $1', 1],
  ["whose order depends on its values", "select a from t where b = $1 order by c", 1],
  ["that stops at a number of rows", "select a from t where b = $1 limit $2", 2],
  ["of many values", "select a from t where b in ($1, …)", 41],
  ["of a long text", `select a from t where b = $1 ${" ".repeat(4_000)}`, 1],
])("a statement %s never has one", (_what, text, values) => {
  const nameOf = statementNames();
  for (let time = 0; time < 10; time += 1) expect(nameOf(text, values)).toBeNull();
});

test("there are at most 300 names: each connection keeps every one", () => {
  const nameOf = statementNames();
  const names = Array.from({ length: 310 }, (_, index) => often(nameOf, `select ${index} from t where a = $1`));
  expect(names.filter((name) => name !== null)).toHaveLength(300);
});
