"""A device in Python: paho-mqtt (Debian: python3-paho-mqtt) and nothing of Holdpoint.

It makes its own ids, subscribes before it asks, publishes at QoS 1, keeps each request until its decision is final, and
sends it again after a lost connection or a busy agent: the same id with the same body is answered, never doubled.

Usage: device.py [PICTURE.jpg ...]   with HOLDPOINT_HOST, HOLDPOINT_PORT, HOLDPOINT_STORE, HOLDPOINT_DEVICE and
HOLDPOINT_SECRET in the environment. Prints one line of JSON for each decision.
"""

import base64
import json
import os
import secrets
import sys
import threading
import time

import paho.mqtt.client as mqtt

HOST = os.environ.get("HOLDPOINT_HOST", "127.0.0.1")
PORT = int(os.environ.get("HOLDPOINT_PORT", "1883"))
STORE = os.environ["HOLDPOINT_STORE"]
DEVICE = os.environ["HOLDPOINT_DEVICE"]
SECRET = os.environ["HOLDPOINT_SECRET"]
# How long to wait for people; a real device would simply go on.
PATIENCE_SECONDS = float(os.environ.get("HOLDPOINT_PATIENCE", "30"))

TOPIC = f"holdpoint/v1/{STORE}/{DEVICE}"


def uuid7() -> str:
    """RFC 9562: 48 bits of milliseconds, the version, 12 random bits, the variant, 62 random bits."""
    value = (
        int(time.time() * 1000) << 80
        | 0x7 << 76
        | secrets.randbits(12) << 64
        | 0b10 << 62
        | secrets.randbits(62)
    )
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Device:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        # id -> request, until it is final. On a real device this is a file: written before the first send.
        self.requests: dict[str, dict] = {}
        self.shown: dict[str, int] = {}
        self.failed = False
        self.idle = threading.Event()
        name = f"{DEVICE}-{secrets.token_hex(4)}"
        if hasattr(mqtt, "CallbackAPIVersion"):  # paho-mqtt 2
            self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, client_id=name)
        else:
            self.client = mqtt.Client(client_id=name)
        self.client.username_pw_set(DEVICE, SECRET)
        self.client.reconnect_delay_set(min_delay=1, max_delay=30)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_message = self.on_message

    def ask(self, task: str, value: dict) -> str:
        request = {"v": 1, "id": uuid7(), "task": task, "at": int(time.time() * 1000), "input": value}
        with self.lock:
            self.requests[request["id"]] = request
        self.send(request)
        return request["id"]

    def send(self, request: dict) -> None:
        if self.client.is_connected():
            self.client.publish(f"{TOPIC}/request", json.dumps(request), qos=1)

    def on_connect(self, client, _userdata, _flags, code) -> None:
        if code != 0:
            print(f"refused: {mqtt.connack_string(code)}", file=sys.stderr)
            self.failed = True
            self.idle.set()
            return
        client.subscribe([(f"{TOPIC}/decision", 1), (f"{TOPIC}/error", 1)])

    def on_subscribe(self, _client, _userdata, _mid, _granted) -> None:
        # Only now: an answer cannot be missed. Whatever is unanswered is asked (again).
        with self.lock:
            unanswered = list(self.requests.values())
        for request in unanswered:
            self.send(request)

    def on_message(self, _client, _userdata, message) -> None:
        body = json.loads(message.payload)
        if message.topic.endswith("/error"):
            self.on_error(body)
        else:
            self.on_decision(body)
        with self.lock:
            if not self.requests:
                self.idle.set()

    def on_decision(self, decision: dict) -> None:
        # A revision may come more than once; it is shown once.
        if decision["revision"] <= self.shown.get(decision["id"], 0):
            return
        self.shown[decision["id"]] = decision["revision"]
        print(json.dumps(decision), flush=True)
        if decision["status"] == "final":
            with self.lock:
                self.requests.pop(decision["id"], None)

    def on_error(self, error: dict) -> None:
        print(f"{error['code']}: {error['message']} {error['hint']}", file=sys.stderr)
        with self.lock:
            request = self.requests.get(error["id"])
        if error["retry"] == "backoff" and request is not None:
            wait = error.get("retryAfterMs", 1000) / 1000
            threading.Timer(wait * (1 + secrets.randbelow(1000) / 1000), self.send, [request]).start()
        elif error["retry"] != "backoff":
            self.failed = True
            with self.lock:
                self.requests.pop(error["id"], None)


def picture(path: str) -> dict:
    with open(path, "rb") as file:
        data = file.read()
    return {"kind": "image", "encoding": "jpeg", "data": base64.b64encode(data).decode()}


def grey() -> dict:
    data = base64.b64encode(bytes([128]) * (64 * 64 * 3)).decode()
    return {"kind": "pixels", "width": 64, "height": 64, "channels": 3, "data": data}


def main() -> int:
    device = Device()
    for value in [picture(path) for path in sys.argv[1:]] or [grey()]:
        device.ask("product_identification", value)
    device.client.connect(HOST, PORT)
    device.client.loop_start()
    device.idle.wait(PATIENCE_SECONDS)
    device.client.loop_stop()  # ends when the last PUBACK is out; without it that decision comes again
    device.client.disconnect()
    return 1 if device.failed else 0


if __name__ == "__main__":
    sys.exit(main())
