import { expect, it } from "vitest";
import { type MqttModule } from "../../sdk/client/mqtt-transport.ts";

it("holds the client's view of MQTT.js against the package itself", async () => {
  // The compiler checks the shapes here, where MQTT.js's own types are visible; the test, that the name is there.
  const module: MqttModule = await import("mqtt");
  expect(typeof module.connect).toBe("function");
});
