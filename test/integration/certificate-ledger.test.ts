import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CertificateLedger } from "../../edge-agent/certificate-ledger.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { certificate } from "../support/certificates.ts";

const dayMs = 86_400_000;
const one = certificate({ lapse: { acceptedMax: 1000, afterMs: 14 * dayMs } });
/** A twentieth of what it allows is counted ahead. */
const ahead = 50;

describe("what a certificate was used for", () => {
  let dir: string;
  let wallMs: number;
  let monotonicMs: number;
  const clock = { wallMs: () => wallMs, monotonicMs: () => monotonicMs };
  const file = (): string => join(dir, "certificates-used.json");
  const timers = { after: () => () => undefined };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "holdpoint-ledger-"));
    wallMs = 1_795_000_000_000;
    monotonicMs = 500;
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  async function begin(): Promise<CertificateLedger> {
    const ledger = new CertificateLedger({ dir, clock, timers, logger: silentLogger });
    await ledger.use([one]);
    await ledger.open();
    return ledger;
  }
  const pass = (ms: number): void => {
    wallMs += ms;
    monotonicMs += ms;
  };
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

  test("is counted, and after an orderly stop goes on from there", async () => {
    const ledger = await begin();
    await ledger.register([one], () => 0);
    for (let n = 0; n < 10; n += 1) ledger.accepted(one);
    await ledger.close();
    expect((await begin()).usage(one)).toMatchObject({ accepted: 10, countable: true });
  });

  test("a crash counts too many and never too few", async () => {
    const ledger = await begin();
    await ledger.register([one], () => 0);
    let used = 0;
    for (let life = 0; life < 5; life += 1) {
      // No close: the process is gone.
      const again = await begin();
      for (let n = 0; n < 17; n += 1) again.accepted(one);
      used += 17;
      const { accepted = 0 } = again.usage(one) ?? {};
      expect(accepted).toBeGreaterThanOrEqual(used);
      expect(accepted).toBeLessThanOrEqual(used + (life + 1) * ahead);
    }
  });

  test("nothing may be counted that is not written down ahead: a disk that takes nothing makes it lapse", async () => {
    const ledger = await begin();
    await ledger.register([one], () => 0);
    chmodSync(dir, 0o500);
    const isRoot = process.getuid?.() === 0;
    // Root writes anywhere: then a directory in the way of the file does it.
    if (isRoot) {
      rmSync(file());
      mkdirSync(file());
    }
    let countable = 0;
    while (ledger.usage(one)?.countable === true && countable < 10 * ahead) {
      ledger.accepted(one);
      countable += 1;
      if (countable % 10 === 0) await settled();
    }
    expect(countable).toBe(ahead);
    chmodSync(dir, 0o700);
  });

  test("grows old while the agent runs by a clock that does not jump, and between runs by the wall clock", async () => {
    const ledger = await begin();
    await ledger.register([one], () => 2 * dayMs);
    pass(dayMs);
    expect(ledger.usage(one)?.ageMs).toBe(3 * dayMs);
    // The wall clock goes ahead and back: nothing gets older or younger.
    wallMs += 100 * dayMs;
    expect(ledger.usage(one)?.ageMs).toBe(3 * dayMs);
    wallMs -= 100 * dayMs;
    await ledger.close();
    // A week on the shelf.
    wallMs += 7 * dayMs;
    monotonicMs = 3;
    const again = await begin();
    expect(again.usage(one)?.ageMs).toBe(10 * dayMs);
    await again.close();
    // A battery is empty, and the clock begins in 1970: no younger for that.
    wallMs = 0;
    expect((await begin()).usage(one)?.ageMs).toBe(10 * dayMs);
  });

  test("one that is in force and not in the file was lost from it: nobody knows its use, and it has lapsed", async () => {
    const ledger = await begin();
    await ledger.register([one], () => 0);
    await ledger.close();
    writeFileSync(file(), '{"v":1,"wallMs":');
    expect((await begin()).usage(one)).toBeNull();
    rmSync(file());
    expect((await begin()).usage(one)).toBeNull();
    // A renewal is entered when it comes, with a count of its own.
    const renewed = { ...one, renewal: 2 };
    const again = await begin();
    await again.register([renewed], () => 0);
    expect(again.usage(renewed)).toMatchObject({ accepted: 0, countable: true });
    expect(again.usage(one)).toBeNull();
  });

  test("writes nothing before the directory is this agent's", async () => {
    const ledger = new CertificateLedger({ dir, clock, timers, logger: silentLogger });
    await ledger.register([one], () => 0);
    expect(existsSync(file())).toBe(false);
    expect(ledger.usage(one)?.countable).toBe(false);
    await ledger.open();
    expect(JSON.parse(readFileSync(file(), "utf8"))).toMatchObject({
      entries: { [`${one.id}/1`]: { accepted: ahead } },
    });
  });
});
