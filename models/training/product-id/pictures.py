"""Pictures of a split, and the two ways to look at them: as serving does, and augmented for training."""

from __future__ import annotations

import io
import math
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

# ImageNet's mean and deviation, in bytes, because the public weights were trained behind them.
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures (RGB, orientation applied) in file order, with the index of the label of each."""

    images: list[Image.Image]
    labels: np.ndarray

    def subset(self, chosen: np.ndarray) -> Pictures:
        return Pictures([self.images[i] for i in chosen], self.labels[chosen])


def load_split(path: Path, names: list[str]) -> Pictures:
    """Reads a tar in the ImageFolder layout `<label>/<file>.jpg`, sorted by name: the order must not be the disk's."""
    index = {name: i for i, name in enumerate(names)}
    images, labels = [], []
    with tarfile.open(path) as tar:
        for member in sorted((m for m in tar.getmembers() if m.isfile()), key=lambda m: m.name):
            data = tar.extractfile(member)
            assert data is not None
            image = ImageOps.exif_transpose(Image.open(io.BytesIO(data.read())))
            images.append(image.convert("RGB"))
            labels.append(index[Path(member.name).parent.name])
    return Pictures(images, np.array(labels, dtype=np.int64))


def serving_pixels(pictures: Pictures, short: int, side: int) -> Tensor:
    """What the model sees in service: short side to `short` (Pillow's BILINEAR), centre crop; uint8 [n, side, side, 3]."""
    return torch.from_numpy(np.stack([_serve(image, short, side) for image in pictures.images]))


def _serve(image: Image.Image, short: int, side: int) -> np.ndarray:
    shorter = min(image.size)
    width, height = (max(short, round(edge * short / shorter)) for edge in image.size)
    left, top = (width - side) // 2, (height - side) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


class Augment:
    """Random resized crop, flip, colour and erasing. Hue moves little: it is what tells a Satsuma from an Orange."""

    def __init__(self, side: int):
        self.side = side

    def __call__(self, pictures: Pictures, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        pixels = np.stack([self._crop(pictures.images[i], rng) for i in chosen]).astype(np.float32)
        n = len(chosen)
        gain = rng.uniform(0.65, 1.35, (n, 1, 1, 1)) * rng.uniform(0.93, 1.07, (n, 1, 1, 3))
        pixels *= gain.astype(np.float32)
        mean = pixels.mean((1, 2, 3), keepdims=True)
        pixels = mean + (pixels - mean) * rng.uniform(0.7, 1.3, (n, 1, 1, 1)).astype(np.float32)
        grey = pixels @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32)
        pixels = grey + (pixels - grey) * rng.uniform(0.7, 1.3, (n, 1, 1, 1)).astype(np.float32)
        self._erase(pixels, rng)
        return torch.from_numpy(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))

    def _crop(self, image: Image.Image, rng: np.random.Generator) -> np.ndarray:
        width, height = image.size
        area = width * height * rng.uniform(0.25, 1.0)
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = min(width, math.sqrt(area * aspect)), min(height, math.sqrt(area / aspect))
        left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
        small = image.resize((self.side, self.side), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h))
        pixels = np.asarray(small)
        return pixels[:, ::-1] if rng.random() < 0.5 else pixels

    def _erase(self, pixels: np.ndarray, rng: np.random.Generator) -> None:
        """Random erasing (Zhong et al. 2020, arXiv 1708.04896), with the picture's mean: a hand or a price tag in front."""
        for picture in pixels:
            if rng.random() < 0.25:
                h, w = (int(self.side * rng.uniform(0.1, 0.45)) for _ in range(2))
                top, left = rng.integers(0, self.side - h), rng.integers(0, self.side - w)
                picture[top : top + h, left : left + w] = picture.mean((0, 1))
