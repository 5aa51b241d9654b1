"""FastAPI in front: a request is appended to a Redis stream, a worker decides it, its result comes back by pub/sub.

What arrives while Redis syncs its last append goes out together in the next pipeline: one sync for all of them.
"""

import asyncio
import os
import uuid
from contextlib import suppress
from typing import Dict, List, Literal

import MySQLdb
import msgpack
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel
from redis.asyncio import Redis

STREAM = "decisions"
STREAM_ROWS_MAX = 1_000_000
WAIT_SECONDS = 30

app = FastAPI()
redis = Redis(host="127.0.0.1", port=int(os.environ["PEER_REDIS_PORT"]))
replies = f"replies:{uuid.uuid4()}"
waiting: Dict[str, asyncio.Future] = {}
to_append: List[tuple] = []
arrived = asyncio.Event()
tasks: List[asyncio.Task] = []


class TensorInput(BaseModel):
    kind: Literal["tensor"]
    dtype: Literal["float32"]
    shape: List[int]
    data: str


class DecisionRequest(BaseModel):
    v: Literal[1]
    id: uuid.UUID
    task: str
    at: int
    input: TensorInput
    context: Dict[str, str] = {}


async def append_all():
    while True:
        await arrived.wait()
        arrived.clear()
        batch = to_append[:]
        to_append.clear()
        try:
            async with redis.pipeline(transaction=False) as pipeline:
                for _, body in batch:
                    pipeline.xadd(
                        STREAM, {"body": body, "reply": replies}, maxlen=STREAM_ROWS_MAX, approximate=True
                    )
                await pipeline.execute()
        except Exception as error:  # Every caller of the batch hears of it; the next batch tries again.
            for task_id, _ in batch:
                future = waiting.get(task_id)
                if future and not future.done():
                    future.set_exception(error)


async def hear(channel):
    async for message in channel.listen():
        if message["type"] != "message":
            continue
        for task_id, result in msgpack.unpackb(message["data"]):
            future = waiting.get(task_id)
            if future and not future.done():
                future.set_result(result)


@app.on_event("startup")
async def start():
    channel = redis.pubsub()
    await channel.subscribe(replies)
    tasks.extend([asyncio.create_task(append_all()), asyncio.create_task(hear(channel))])


@app.on_event("shutdown")
async def stop():
    for task in tasks:
        task.cancel()


@app.post("/decision/{task_type}")
async def decide(task_type: str, request: DecisionRequest, http: Request):
    task_id = str(request.id)
    future = asyncio.get_running_loop().create_future()
    waiting[task_id] = future
    to_append.append((task_id, await http.body()))
    arrived.set()
    try:
        result = await asyncio.wait_for(future, WAIT_SECONDS)
    except asyncio.TimeoutError:
        return {"task_id": task_id, "status": "processing"}
    finally:
        with suppress(KeyError):
            del waiting[task_id]
    return Response(content=result, media_type="application/json")


@app.get("/decision/{task_id}")
def find(task_id: uuid.UUID):
    """For a caller that did not get its result: an API process was restarted, or the wait was over."""
    with MySQLdb.connect(
        host="127.0.0.1", port=int(os.environ["PEER_MARIADB_PORT"]), user="peer", password="peer", db="peer"
    ) as database:
        with database.cursor() as cursor:
            cursor.execute("SELECT result FROM decisions WHERE id = %s", (task_id.bytes,))
            row = cursor.fetchone()
    if row is None:
        raise HTTPException(404)
    return Response(content=row[0], media_type="application/json")
