import { describe, expect, test } from "vitest";
import { createSignInLimits, networkOf } from "../../cloud-sync/hub/people/sign-in-limits.ts";
import { checkPassword } from "../../cloud-sync/hub/people/passwords.ts";
import { hubCookies } from "../../cloud-sync/hub/people/session-cookie.ts";
import { createPasswords } from "../../cloud-sync/hub/people/password.node.ts";
import { testExchange } from "../support/hub-exchange.ts";

describe("a password", () => {
  const about = { login: "ada.lovelace", name: "Ada Lovelace" };
  test.for([
    "elevenchars",
    "aaaaaaaaaaaaaaaa",
    "abababababababab",
    "password1234",
    "ada.lovelace12",
    "x".repeat(300),
    "AdaLovelaceAda Lovelace",
  ])("is refused: %s", (password) => {
    expect(() => checkPassword(password, about)).toThrow(/^password: /);
  });
  test.for(["violet harbour kettle", "пароль из слов", "correct-horse-7", "passphrase with words"])(
    "is good: %s",
    (password) => {
      expect(() => checkPassword(password, about)).not.toThrow();
    },
  );

  test("fits whichever way its letters were composed, and a decoy never fits", async () => {
    const passwords = createPasswords({ n: 1024, r: 8, p: 1 });
    const kept = await passwords.hash("caf\u00e9 au lait, dix");
    expect(kept).toMatch(/^scrypt\$1024\$8\$1\$/);
    expect(await passwords.fits("cafe\u0301 au lait, dix", kept)).toBe(true);
    expect(await passwords.fits("caf\u00e9 au lait, onze", kept)).toBe(false);
    expect(await passwords.fits("anything", null)).toBe(false);
    expect(await passwords.fits("anything", "scrypt$broken")).toBe(false);
  });

  test("is looked at by two at a time, and what is too much is refused and not kept", async () => {
    const passwords = createPasswords({ n: 16, r: 8, p: 1 });
    const settled = await Promise.allSettled(Array.from({ length: 70 }, () => passwords.fits("x", null)));
    const refused = settled.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(4);
    expect(refused[0]).toMatchObject({ reason: { code: "HP_BUSY" } });
    expect(await passwords.fits("x", null)).toBe(false);
  });
});

describe("tries to sign in", () => {
  let nowMs = 0;
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };
  const attempt = (login: string, address: string, knownBrowser: string | null = null) => ({
    login,
    address,
    knownBrowser,
  });

  test("of many addresses at one account delay new browsers for seconds, and a known one not at all", () => {
    const limits = createSignInLimits(clock);
    for (let i = 0; i < 40; i += 1) limits.admit(attempt("ada", `10.0.0.${i}`));
    const next = () => limits.admit(attempt("ada", "192.0.2.1"));
    expect(next).toThrow(expect.objectContaining({ code: "HP_RATE", retryAfterMs: 5_000 }) as Error);
    expect(() => limits.admit(attempt("ada", "192.0.2.1", "browser"))).not.toThrow();
    expect(() => limits.admit(attempt("bob", "192.0.2.1"))).not.toThrow();
    nowMs += 5_000;
    expect(next).not.toThrow();
  });

  test("that are given back cost nothing, and one address cannot try many accounts", () => {
    const limits = createSignInLimits(clock);
    for (let i = 0; i < 100; i += 1) limits.admit(attempt("ada", "2001:db8::1"))();
    for (let i = 0; i < 30; i += 1) limits.admit(attempt(`login-${i}`, `2001:db8::${i.toString(16)}`));
    expect(() => limits.admit(attempt("another", "2001:db8::ffff"))).toThrow(/too many tries/);
  });

  test("count by IPv4 address and by IPv6 network", () => {
    expect(networkOf("::ffff:192.0.2.7")).toBe("192.0.2.7");
    expect(networkOf("192.0.2.7")).toBe("192.0.2.7");
    expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
    expect(networkOf("2001:db8::6")).toBe("2001:db8:0:0::/64");
    expect(networkOf("::1")).toBe("0:0:0:0::/64");
  });
});

describe("the cookies", () => {
  test("behind TLS are Secure, of this host alone and of no other path", () => {
    const { session, flow } = hubCookies(true);
    expect(session.set("t", 60_000)).toBe(
      "__Host-holdpoint_session=t; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure",
    );
    expect(session.set("", 60_000)).toContain("Max-Age=0");
    expect(flow.set("t", 60_000)).toContain("SameSite=Lax");
    expect(session.read(testExchange({ cookie: "a=b; __Host-holdpoint_session=t=1; c=d" }))).toBe("t=1");
    expect(session.read(testExchange({ cookie: "holdpoint_session=t" }))).toBeNull();
    expect(session.read(testExchange({}))).toBeNull();
  });
});
