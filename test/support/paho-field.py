"""A device in another language: sends every picture of a tar file and writes each decision as a JSON line.

Debian's python3-paho-mqtt, nothing of Holdpoint. Usage: paho-field.py PORT STORE DEVICE SECRET TAR OUT
"""

import json
import os
import secrets
import sys
import tarfile
import threading
import time
import base64

import paho.mqtt.client as mqtt

WINDOW = 32


def uuid7() -> str:
    """RFC 9562: 48 bits of milliseconds, version 7, 74 random bits."""
    value = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def main() -> int:
    port, store, device, secret, tar_path, out_path = sys.argv[1:7]
    topic = f"holdpoint/v1/{store}/{device}"
    names: dict[str, str] = {}
    out = open(out_path, "w", encoding="utf-8")
    window = threading.Semaphore(WINDOW)
    ready = threading.Event()
    problems: list[str] = []

    def on_message(_client, _userdata, message):
        body = json.loads(message.payload)
        if message.topic.endswith("/error"):
            problems.append(message.payload.decode())
            window.release()
            return
        if body["revision"] == 1:
            out.write(json.dumps({"name": names[body["id"]], "decision": body}) + "\n")
            window.release()

    client = mqtt.Client(client_id=f"{device}-python", clean_session=True)
    client.username_pw_set(device, secret)
    client.on_message = on_message
    client.on_connect = lambda c, *_: c.subscribe([(f"{topic}/decision", 1), (f"{topic}/error", 1)])
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", int(port))
    client.loop_start()
    if not ready.wait(10):
        print("no subscription", file=sys.stderr)
        return 1

    sent = 0
    with tarfile.open(tar_path) as tar:
        for member in tar:
            if not member.isfile() or not member.name.endswith(".jpg"):
                continue
            data = tar.extractfile(member).read()
            request_id = uuid7()
            names[request_id] = member.name
            request = {
                "v": 1,
                "id": request_id,
                "task": "product_identification",
                "at": int(time.time() * 1000),
                "deadlineMs": 60000,
                "input": {"kind": "image", "encoding": "jpeg", "data": base64.b64encode(data).decode()},
                "context": {"camera": "python"},
            }
            if not window.acquire(timeout=60):
                print("no decision for a minute", file=sys.stderr)
                return 1
            client.publish(f"{topic}/request", json.dumps(request), qos=1)
            sent += 1
    for _ in range(WINDOW):
        if not window.acquire(timeout=60):
            print("decisions are missing", file=sys.stderr)
            return 1
    client.loop_stop()
    client.disconnect()
    out.close()
    print(json.dumps({"sent": sent, "errors": len(problems), "paho": os.path.dirname(mqtt.__file__)}))
    return 0 if not problems else 1


if __name__ == "__main__":
    sys.exit(main())
