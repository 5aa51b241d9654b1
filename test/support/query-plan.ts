import { CompiledQuery, type KyselyPlugin, type QueryId, type RootOperationNode } from "kysely";
import { type HubDatabase } from "../../cloud-sync/hub/database/database.ts";

/** How SQLite answers the questions that `work` asks of the hub's database: a line for each step of their plans. */
export async function plansOf(
  database: HubDatabase,
  work: (listening: HubDatabase) => Promise<unknown>,
): Promise<string> {
  const asked: { readonly node: RootOperationNode; readonly id: QueryId }[] = [];
  const plugin: KyselyPlugin = {
    transformQuery: ({ node, queryId: id }) => {
      asked.push({ node, id });
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  };
  await work({
    kind: database.kind,
    read: (read) => database.read((db) => read(db.withPlugin(plugin))),
    write: (write) => database.write((trx) => write({ ...trx, db: trx.db.withPlugin(plugin) })),
    onNews: (listener) => database.onNews(listener),
    close: () => database.close(),
  });
  return database.read(async (db) => {
    const lines: string[] = [];
    for (const { node, id } of asked) {
      const { sql, parameters } = db.getExecutor().compileQuery(node, id);
      const plan = CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]);
      for (const row of (await db.executeQuery<{ readonly detail: string }>(plan)).rows) lines.push(row.detail);
    }
    return lines.join("\n");
  });
}
