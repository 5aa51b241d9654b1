"""Writes the trained network as ONNX with int8 weights, and its manifest.

Weights are int8 with one scale an output channel; the graph says `Cast` then `Mul`, which onnxruntime folds into
plain float weights when it loads the file. So the file is small, arithmetic stays float32, nothing depends on the
batch, and a box without int8 instructions gives the same answers. (`DequantizeLinear` would stay in the graph and
cost its time on every run.)
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from network import Bottleneck, ConvNorm, ProductNet
from pictures import MEAN, STD

OPSET = 13


class Graph:
    """The nodes and initializers of the graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []
        self.names = 0

    def value(self, array: np.ndarray, name: str) -> str:
        self.values.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        self.names += 1
        output = output or f"{op.lower()}_{self.names}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"n{self.names}_{op}", **attributes))
        return output

    def weight(self, tensor: Tensor, name: str) -> str:
        """Symmetric int8, a scale for each output channel (axis 0), stored once and unfolded at load."""
        real = tensor.detach().numpy().astype(np.float64)
        axes = tuple(range(1, real.ndim))
        scale = np.maximum(np.abs(real).max(axes, keepdims=True), 1e-12) / 127
        code = np.clip(np.rint(real / scale), -127, 127).astype(np.int8)
        cast = self.node("Cast", [self.value(code, f"{name}.int8")], to=TensorProto.FLOAT)
        return self.node("Mul", [cast, self.value(scale.astype(np.float32), f"{name}.scale")])

    def conv(self, x: str, layer: ConvNorm, name: str, deviation: Tensor | None = None) -> str:
        weight, bias = layer.folded()
        weight = weight if deviation is None else weight / deviation
        conv = layer.conv
        inputs = [x, self.weight(weight, name), self.value(bias.detach().numpy(), f"{name}.bias")]
        pad = conv.padding[0]
        shape = {"kernel_shape": list(conv.kernel_size), "strides": list(conv.stride), "pads": [pad] * 4}
        y = self.node("Conv", inputs, group=conv.groups, dilations=[1, 1], **shape)
        return self.node("Clip", [y, "zero", "six"]) if layer.clip else y


def write_model(net: ProductNet, side: int, path: Path) -> bytes:
    """`pixels` uint8 [batch, side, side, 3] RGB to `logits` float32 [batch, classes]; normalisation is inside."""
    graph = Graph()
    graph.value(np.float32(0), "zero")
    graph.value(np.float32(6), "six")
    # The deviation is folded into the first weights. The mean is not: padding is zero behind it, not black before it.
    # Transposing bytes and subtracting by plane is 0.4 ms faster than subtracting along an innermost axis of three.
    x = graph.node("Transpose", ["pixels"], perm=[0, 3, 1, 2])
    x = graph.node("Cast", [x], to=TensorProto.FLOAT)
    x = graph.node("Sub", [x, graph.value(MEAN.numpy(), "pixels.mean")])
    for index, block in enumerate(net.blocks):
        if isinstance(block, ConvNorm):
            x = graph.conv(x, block, f"block{index}", STD if index == 0 else None)
            continue
        assert isinstance(block, Bottleneck)
        y = x
        for part, layer in enumerate(block.convs):
            assert isinstance(layer, ConvNorm)
            y = graph.conv(y, layer, f"block{index}.{part}")
        x = graph.node("Add", [x, y]) if block.residual else y
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])], axis=1)
    bias = graph.value(net.head.bias.detach().numpy(), "head.bias")
    graph.node("Gemm", [x, graph.weight(net.head.weight, "head"), bias], "logits", transB=1)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", side, side, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", net.head.out_features])
    proto = helper.make_graph(graph.nodes, "product-id", [pixels], [logits], graph.values)
    model = helper.make_model(proto, producer_name="holdpoint", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 7
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    path.write_bytes(data)
    return data


def write_manifest(out: Path, model: bytes, size: tuple[int, int], classes: list[dict[str, object]], items: int) -> None:
    """All that is known before the file is measured; `card.node.ts` fills in calibration, golden and metrics."""
    short, side = size
    ordered = sorted(classes, key=lambda item: item["id"])  # type: ignore[arg-type, return-value]
    coarse = {item["coarseId"]: item["coarse"] for item in ordered}
    identity = {"method": "beta", "a": 1, "b": 1, "c": 0}
    manifest = {
        "holdpoint": 1,
        "name": "product-id",
        "version": "1.0.0",
        "task": "product_identification",
        "file": "model.onnx",
        "digest": f"sha256:{hashlib.sha256(model).hexdigest()}",
        "bytes": len(model),
        "licence": "Apache-2.0",
        "sources": [{"name": "MobileNetV2 (ONNX Model Zoo, mobilenetv2-12-int8)", "licence": "Apache-2.0", "url": "https://github.com/onnx/models"}],
        "trainingData": [{"name": "GroceryStoreDataset, train", "licence": "MIT", "url": "https://github.com/marcusklasson/GroceryStoreDataset", "items": items}],
        "inputs": [{"name": "pixels", "dtype": "uint8", "shape": ["batch", side, side, 3], "layout": "NHWC"}],
        "features": {
            "kind": "image", "width": side, "height": side, "channels": 3, "colour": "rgb",
            "resize": {"shortSide": short, "filter": "bilinear"}, "crop": "center",
        },
        "outputs": [{"name": "logits", "dtype": "float32", "shape": ["batch", len(ordered)], "meaning": "logits"}],
        "labels": [item["name"] for item in ordered],
        "coarse": {"labels": [coarse[i] for i in range(len(coarse))], "of": [item["coarseId"] for item in ordered]},
        "calibration": identity,
        "coarseCalibration": identity,
        "batch": {"max": 32, "invariant": True},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
