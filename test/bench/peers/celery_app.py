"""The same decision as a Celery task: acknowledged late, its result kept in Redis."""

import os

from celery import Celery

from model import decide_all, features_of

_redis = f"redis://127.0.0.1:{os.environ['PEER_REDIS_PORT']}"
app = Celery("peer", broker=f"{_redis}/0", backend=f"{_redis}/1")
app.conf.update(
    task_acks_late=True,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    # Many short tasks: what Celery's manual advises for them.
    worker_prefetch_multiplier=64,
    broker_pool_limit=100,
)


@app.task(name="decide")
def decide(request):
    [(label, confidence, automated)] = decide_all([features_of(request)])
    return {
        "task_id": request["id"],
        "status": "completed",
        "decision": label,
        "automated": automated,
        "confidence": confidence,
    }
