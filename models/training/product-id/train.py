"""Trains product-id: 81 grocery products from one picture. CARD.md of the model says how well and how to run this.

Writes `model.onnx` and a `manifest.json` whose calibration is still the identity, and then runs `npm run zoo:card`
(`card.node.ts` beside this file), which measures the exported file, fits the calibration and writes the card. The
training itself never looks at the `field` split.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from export import write_manifest, write_model
from network import ProductNet, public_weights, unfold
from pictures import MEAN, STD, Augment, Pictures, load_split, serving_pixels


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.tar, val.tar and classes.json")
    parser.add_argument("--init", type=Path, required=True, help="mobilenetv2-12-int8.onnx of the ONNX Model Zoo")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.onnx and manifest.json")
    parser.add_argument("--side", type=int, default=128, help="width and height that the model is served with")
    # Random crops make products look larger in training than in service; a larger short side makes up for it (Touvron
    # et al. 2019, arXiv 1906.06423). 176 of 128 to 192 was chosen on `val` and on the quarter of `field` that calibrates.
    parser.add_argument("--short", type=int, default=176, help="short side before the centre crop in service")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate of AdamW")
    parser.add_argument("--decay", type=float, default=0.05, help="weight decay, on weights of dense layers only")
    parser.add_argument("--smoothing", type=float, default=0.05, help="label smoothing")
    parser.add_argument("--coarse", type=float, default=0.3, help="share of the loss that looks at the coarse class")
    parser.add_argument("--checkpoint", type=Path, help="where to keep the float weights too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def batches(pictures: Pictures, augment: Augment, size: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch, shuffled, drawn ahead by a thread: Pillow lets go of the interpreter while it resizes.

    The only user of `rng` is that thread, in a fixed order, so that a seed gives the same epoch every time.
    """
    ahead: queue.Queue[tuple[Tensor, Tensor] | None] = queue.Queue(maxsize=4)

    def fill() -> None:
        order = rng.permutation(len(pictures.labels))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            ahead.put((augment(pictures, chosen, rng), torch.from_numpy(pictures.labels[chosen])))
        ahead.put(None)

    threading.Thread(target=fill, daemon=True).start()
    while (item := ahead.get()) is not None:
        yield item


class Objective:
    """Cross-entropy of the fine class with label smoothing, and of the coarse class (its summed probability).

    A look-alike of the same coarse class then costs less than a stranger, which is what a till feels too.
    """

    def __init__(self, coarse_of: list[int], smoothing: float, share: float):
        count = max(coarse_of) + 1
        self.members = nn.functional.one_hot(torch.tensor(coarse_of), count).float()
        self.coarse_of = torch.tensor(coarse_of)
        self.smoothing = smoothing
        self.share = share

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        fine = nn.functional.cross_entropy(logits, labels, label_smoothing=self.smoothing)
        coarse = torch.log(torch.softmax(logits, 1) @ self.members + 1e-7)
        return (1 - self.share) * fine + self.share * nn.functional.nll_loss(coarse, self.coarse_of[labels])


def parameter_groups(net: ProductNet, decay: float) -> list[dict[str, object]]:
    """Weight decay for dense weights alone: it hurts depthwise filters, normalisation and biases (few, scale-setting)."""
    dense = [p for p in net.parameters() if p.ndim > 1 and p.shape[1] > 1]
    rest = [p for p in net.parameters() if not (p.ndim > 1 and p.shape[1] > 1)]
    return [{"params": dense, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def follow(average: ProductNet, net: ProductNet, step: int) -> None:
    """Exponential moving average of weights and statistics; young at first so that the start is forgotten soon."""
    keep = min(0.997, (1 + step) / (20 + step))
    with torch.no_grad():
        for slow, fast in zip(average.state_dict().values(), net.state_dict().values()):
            if slow.dtype.is_floating_point:
                slow.lerp_(fast, 1 - keep)


@torch.no_grad()
def accuracy(net: ProductNet, pixels: Tensor, labels: np.ndarray) -> float:
    net.eval()
    right = 0
    for start in range(0, len(pixels), 64):
        x = normalise(pixels[start : start + 64])
        right += int((net(x).argmax(1).numpy() == labels[start : start + 64]).sum())
    return right / len(labels)


def normalise(pixels: Tensor) -> Tensor:
    """uint8 [batch, H, W, 3] to float32 [batch, 3, H, W] in the memory layout that is fast on a CPU."""
    x = pixels.permute(0, 3, 1, 2).float()
    return ((x - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def train(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    classes = json.loads((args.data / "classes.json").read_text())
    names = [item["name"] for item in sorted(classes, key=lambda item: item["id"])]
    coarse_of = [item["coarseId"] for item in sorted(classes, key=lambda item: item["id"])]
    train_set, val_set = (load_split(args.data / f"{split}.tar", names) for split in ("train", "val"))
    val_pixels = serving_pixels(val_set, args.short, args.side)

    net = ProductNet(len(names)).to(memory_format=torch.channels_last)
    chosen = rng.choice(len(train_set.labels), 256, replace=False)
    sample = serving_pixels(train_set.subset(chosen), args.side, args.side)
    unfold(net, public_weights(args.init), normalise(sample))
    average = copy.deepcopy(net)
    objective = Objective(coarse_of, args.smoothing, args.coarse)
    optimiser = torch.optim.AdamW(parameter_groups(net, args.decay), lr=args.rate)
    augment = Augment(args.side)
    steps = args.epochs * (len(train_set.labels) // args.batch)
    step = 0
    for epoch in range(args.epochs):
        began, total = time.monotonic(), 0.0
        net.train()
        for pixels, labels in batches(train_set, augment, args.batch, rng):
            rate = args.rate * min(1, (step + 1) / 60) * 0.5 * (1 + math.cos(math.pi * step / steps))
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = objective(net(normalise(pixels)), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1
            follow(average, net, step)
            total += loss.item()
        shown = f" val {accuracy(average, val_pixels, val_set.labels):.4f}" if epoch % 4 == 3 or epoch + 1 == args.epochs else ""
        seconds = time.monotonic() - began
        print(f"epoch {epoch + 1}/{args.epochs} loss {total * args.epochs / steps:.4f}{shown} {seconds:.0f} s", flush=True)

    average.eval()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.checkpoint is not None:
        torch.save(average.state_dict(), args.checkpoint)
    model = write_model(average, args.side, args.out / "model.onnx")
    write_manifest(args.out, model, (args.short, args.side), classes, len(train_set.labels))
    write_card(args.data, args.out)


def write_card(data: Path, out: Path) -> None:
    """The card is written by the code that serves, so that it measures what a store gets."""
    root = Path(__file__).resolve().parents[3]
    command = ["npm", "run", "--silent", "zoo:card", "--", "--data", str(data.resolve()), "--model", str(out.resolve())]
    subprocess.run(command, cwd=root, check=True)


if __name__ == "__main__":
    train(parse())
