"""The bench's small model: 8 numbers, 16 hidden units, 2 labels. As numpy, because Debian has no onnxruntime for Python."""

import base64
import json
import os

import numpy

with open(os.environ["PEER_MODEL"], encoding="utf-8") as file:
    _model = json.load(file)
_w1 = numpy.array(_model["w1"], dtype=numpy.float32).reshape(_model["features"], _model["hidden"])
_b1 = numpy.array(_model["b1"], dtype=numpy.float32)
_w2 = numpy.array(_model["w2"], dtype=numpy.float32).reshape(_model["hidden"], len(_model["labels"]))
LABELS = _model["labels"]
GATE_THRESHOLD = _model["gateThreshold"]


def features_of(request):
    """The row of a request, checked against the model's shape."""
    tensor = request["input"]
    row = numpy.frombuffer(base64.b64decode(tensor["data"], validate=True), dtype="<f4")
    if tensor["shape"] != [1, _w1.shape[0]] or row.shape != (_w1.shape[0],):
        raise ValueError("the tensor does not fit the model")
    return row


def decide_all(rows):
    """Label, confidence and whether it is sure enough, for every row of a batch."""
    logits = numpy.maximum(numpy.stack(rows) @ _w1 + _b1, 0) @ _w2
    exp = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    shares = exp / exp.sum(axis=1, keepdims=True)
    best = shares.argmax(axis=1)
    return [
        (LABELS[label], float(confidence), bool(confidence >= GATE_THRESHOLD))
        for label, confidence in zip(best, shares[numpy.arange(len(best)), best])
    ]
