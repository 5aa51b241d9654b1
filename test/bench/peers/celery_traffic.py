"""Load for Celery: one loop keeps a task in flight for each client. Speaks the same lines as traffic-loop.ts.

A thread for each client that waits in `get()` was measured at three times the CPU, which the workers then lack.
"""

import json
import os
import sys
import time

from celery_app import app, decide

with open(os.environ["PEER_CASES"], encoding="utf-8") as file:
    CASES = json.load(file)
PATIENCE_SECONDS = 30


def uuid7():
    value = int.from_bytes(os.urandom(16), "big")
    value = (time.time_ns() // 1_000_000 << 80) | (value & ((1 << 80) - 1))
    value = (value & ~(0xF << 76)) | (7 << 76)
    value = (value & ~(0x3 << 62)) | (2 << 62)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Run:
    def __init__(self, clients, seconds):
        self.latencies, self.wrong, self.open = [], 0, clients
        self.start = time.perf_counter()
        self.until = self.start + seconds
        for lane in range(clients):
            self.ask(lane)

    def ask(self, turn):
        sent = time.perf_counter()
        if sent >= self.until:
            self.open -= 1
            return
        case = CASES[turn % len(CASES)]
        request = {**case["request"], "id": uuid7(), "at": time.time_ns() // 1_000_000}

        def answered(result):
            self.latencies.append((time.perf_counter() - sent) * 1000)
            decided = result.result
            if not isinstance(decided, dict) or decided["decision"] != case["label"] or not decided["automated"]:
                self.wrong += 1
            self.ask(turn + 1)

        decide.apply_async((request,), task_id=request["id"]).then(answered, answered)

    def finish(self):
        consumer = app.backend.result_consumer
        while self.open > 0:
            if time.perf_counter() > self.until + PATIENCE_SECONDS:
                raise TimeoutError(f"{self.open} tasks were not answered")
            consumer.drain_events(timeout=1)
        seconds = time.perf_counter() - self.start
        latencies = sorted(self.latencies)
        return {
            "decisions": len(latencies),
            "wrong": self.wrong,
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
        print(json.dumps(Run(clients, asked["seconds"]).finish()), flush=True)
