import { createServer } from "node:net";
import { Aedes } from "aedes";

/** The yardstick of the MQTT rows: aedes that sends the payload back from its publish hook, and nothing else. */
const broker = await Aedes.createBroker();
broker.authorizePublish = (client, packet, done) => {
  client?.publish(
    {
      cmd: "publish",
      topic: packet.topic.replace(/request$/, "decision"),
      payload: packet.payload,
      qos: 1,
      retain: false,
      dup: false,
    },
    () => undefined,
  );
  done(null);
};
// Without Nagle, as the agent's sockets are: with it the yardstick would be a 40 ms timer.
const server = createServer({ noDelay: true }, broker.handle);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(JSON.stringify({ mqttPort: typeof address === "object" && address ? address.port : 0 }));
});
