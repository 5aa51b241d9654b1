"""The worker: reads what there is, decides it in one batch, commits the audit rows, answers, then acknowledges.

At least once: what was read and not acknowledged is read again at the start, and its row is there only once.
"""

import json
import os
import time
import uuid
from collections import defaultdict

import MySQLdb
import msgpack
from redis import Redis
from redis.exceptions import ResponseError

from model import decide_all, features_of

STREAM, GROUP, CONSUMER = "decisions", "workers", "worker-1"
BATCH_ROWS_MAX = 256
BLOCK_MS = 1000

INSERT = (
    "INSERT IGNORE INTO decisions (id, task, decided_at_ms, label, confidence, automated, request, result)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
)


def decide(entries):
    """Audit rows, and results by the channel that waits for them."""
    requests = [json.loads(fields[b"body"]) for _, fields in entries]
    decided = decide_all([features_of(request) for request in requests])
    now_ms = time.time_ns() // 1_000_000
    rows, results = [], defaultdict(list)
    for (_, fields), request, (label, confidence, automated) in zip(entries, requests, decided):
        result = json.dumps(
            {
                "task_id": request["id"],
                "status": "completed",
                "decision": label,
                "automated": automated,
                "confidence": confidence,
            }
        )
        rows.append(
            (
                uuid.UUID(request["id"]).bytes,
                request["task"],
                now_ms,
                label,
                confidence,
                automated,
                fields[b"body"],
                result,
            )
        )
        results[fields[b"reply"]].append((request["id"], result))
    return rows, results


def main():
    redis = Redis(host="127.0.0.1", port=int(os.environ["PEER_REDIS_PORT"]))
    database = MySQLdb.connect(
        host="127.0.0.1", port=int(os.environ["PEER_MARIADB_PORT"]), user="peer", password="peer", db="peer"
    )
    try:
        redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    # First what an earlier life of this worker left unacknowledged, then what is new.
    reply = redis.xreadgroup(GROUP, CONSUMER, {STREAM: "0"}, count=BATCH_ROWS_MAX)
    print("ready", flush=True)
    while True:
        entries = reply[0][1] if reply else []
        acknowledged = [entry_id for entry_id, _ in entries]
        if entries:
            rows, results = decide(entries)
            with database.cursor() as cursor:
                cursor.executemany(INSERT, rows)
            database.commit()
            # By itself: behind the acknowledgement it would wait for that one's sync.
            for channel, batch in results.items():
                redis.publish(channel, msgpack.packb(batch))
        pipeline = redis.pipeline(transaction=False)
        if acknowledged:
            pipeline.xack(STREAM, GROUP, *acknowledged)
        pipeline.xreadgroup(GROUP, CONSUMER, {STREAM: ">"}, count=BATCH_ROWS_MAX, block=BLOCK_MS)
        reply = pipeline.execute()[-1]


main()
