/** Whether this is the address of a PostgreSQL. Everything else a hub takes for the directory of a SQLite database. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text);
}
