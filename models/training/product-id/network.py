"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381) as the product-id network, started from public ImageNet weights.

The public file is an int8 ONNX graph whose batch normalisation was folded away. Folded weights train badly, so
`unfold` puts a batch normalisation back behind every convolution such that the network computes at first exactly
what it computed before: the running statistics are measured, and scale and shift undo them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

# (expansion, channels, repeats, stride) of each stage: Table 2 of the paper.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
FEATURES = 1280


class ConvNorm(nn.Module):
    """A convolution and its batch normalisation. The activation is ReLU6, or none at a linear bottleneck."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, clip: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.clip = clip

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return nn.functional.relu6(y, inplace=True) if self.clip else y

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight [out, in/groups, k, k] and bias [out] of the one convolution that equals this pair in evaluation."""
        gain = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        return self.conv.weight * gain[:, None, None, None], self.norm.bias - self.norm.running_mean * gain


class Bottleneck(nn.Module):
    """Expand, filter by depth, project: the inverted residual of the paper."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        expand = [ConvNorm(inputs, hidden, 1)] if expansion != 1 else []
        filter_ = ConvNorm(hidden, hidden, 3, stride, groups=hidden)
        self.convs = nn.Sequential(*expand, filter_, ConvNorm(hidden, outputs, 1, clip=False))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convs(x) if self.residual else self.convs(x)


class ProductNet(nn.Module):
    """Pixels [batch, 3, H, W], normalised, to logits [batch, classes]."""

    def __init__(self, classes: int, dropout: float = 0.2):
        super().__init__()
        blocks: list[nn.Module] = [ConvNorm(3, 32, 3, 2)]
        channels = 32
        for expansion, outputs, repeats, stride in STAGES:
            for index in range(repeats):
                blocks.append(Bottleneck(channels, outputs, stride if index == 0 else 1, expansion))
                channels = outputs
        blocks.append(ConvNorm(channels, FEATURES, 1))
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(FEATURES, classes)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.blocks(x).mean((2, 3))))

    def conv_norms(self) -> list[ConvNorm]:
        return [module for module in self.modules() if isinstance(module, ConvNorm)]


def public_weights(path: Path) -> list[tuple[Tensor, Tensor]]:
    """The convolutions of the public int8 graph in order, dequantised: weight and bias of each, as float32."""
    graph = onnx.load(str(path)).graph
    value = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    pairs = []
    for node in graph.node:
        if node.op_type != "QLinearConv":
            continue
        _, input_scale, _, weight, scale, zero, _, _, bias = node.input
        per_channel = np.reshape(value[scale], (-1, 1, 1, 1)).astype(np.float32)
        offset = np.reshape(value[zero], (-1, 1, 1, 1)).astype(np.float32)
        real = (value[weight].astype(np.float32) - offset) * per_channel
        shift = value[bias].astype(np.float32) * value[input_scale].item() * np.reshape(value[scale], -1)
        pairs.append((torch.from_numpy(real), torch.from_numpy(shift.astype(np.float32))))
    return pairs


@torch.no_grad()
def unfold(net: ProductNet, pairs: list[tuple[Tensor, Tensor]], pixels: Tensor) -> None:
    """Load folded weights into `net` and give each batch normalisation the statistics that it sees on `pixels`.

    The layers are visited in order of execution, so each is measured behind neighbours that are already right.
    """
    convs = net.conv_norms()
    if len(convs) != len(pairs):
        raise ValueError(f"the public file has {len(pairs)} convolutions, the network {len(convs)}")
    queue = list(pairs)

    def measure(module: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
        weight, bias = queue.pop(0)
        assert isinstance(module, ConvNorm) and module.conv.weight.shape == weight.shape
        module.conv.weight.copy_(weight)
        raw = module.conv(inputs[0])
        variance, mean = torch.var_mean(raw, (0, 2, 3), unbiased=False)
        module.norm.running_mean.copy_(mean)
        module.norm.running_var.copy_(variance)
        module.norm.weight.copy_(torch.sqrt(variance + module.norm.eps))
        module.norm.bias.copy_(mean + bias)
        y = module.norm(raw)
        return nn.functional.relu6(y) if module.clip else y

    net.eval()
    hooks = [conv.register_forward_hook(measure) for conv in convs]
    net(pixels)
    for hook in hooks:
        hook.remove()
