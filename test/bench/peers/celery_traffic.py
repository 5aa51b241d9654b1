"""Load for Celery: a thread is a client with one task in flight. Speaks the same lines as traffic-loop.ts."""

import json
import os
import sys
import threading
import time

from celery_app import decide

with open(os.environ["PEER_CASES"], encoding="utf-8") as file:
    CASES = json.load(file)


def uuid7():
    value = int.from_bytes(os.urandom(16), "big")
    value = (time.time_ns() // 1_000_000 << 80) | (value & ((1 << 80) - 1))
    value = (value & ~(0xF << 76)) | (7 << 76)
    value = (value & ~(0x3 << 62)) | (2 << 62)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def client(lane, until, latencies, wrong):
    turn = lane
    while time.perf_counter() < until:
        case = CASES[turn % len(CASES)]
        turn += 1
        request = {**case["request"], "id": uuid7(), "at": time.time_ns() // 1_000_000}
        start = time.perf_counter()
        result = decide.delay(request).get(timeout=30)
        latencies.append((time.perf_counter() - start) * 1000)
        if result["decision"] != case["label"] or not result["automated"]:
            wrong.append(request["id"])


def run(clients, seconds):
    latencies, wrong = [], []
    start = time.perf_counter()
    threads = [
        threading.Thread(target=client, args=(lane, start + seconds, latencies, wrong)) for lane in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    latencies.sort()
    return {
        "decisions": len(latencies),
        "wrong": len(wrong),
        "seconds": seconds,
        "p50Ms": latencies[len(latencies) // 2],
        "p99Ms": latencies[len(latencies) * 99 // 100],
    }


print(json.dumps({"listening": True}), flush=True)
clients = 0
for line in sys.stdin:
    asked = json.loads(line)
    if "clients" in asked:
        clients = asked["clients"]
        print(json.dumps({"clients": clients}), flush=True)
    else:
        print(json.dumps(run(clients, asked["seconds"])), flush=True)
