#!/usr/bin/env python3
"""Trains the picture demo: a small vision transformer that reads a digit.

Pictures: the 1,797 handwritten digits bundled with scikit-learn (8 x 8, enlarged), and digits drawn
with the machine's DejaVu fonts, both turned, shifted, sheared and blurred while training. One
in five handwritten digits is never trained on; they are the test set.

    pip install torch==2.13.0 numpy onnx scikit-learn pillow && apt-get install fonts-dejavu
    python3 train_digits.py          # writes digits.onnx, digits.png and prints the accuracy
"""
import glob
import pathlib

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from torch import nn

from train_keywords import Block

HERE = pathlib.Path(__file__).parent
SIZE, PATCH = 32, 4


def drawn_digits():
    """Dark ink on a light ground becomes bright ink on black, as in the handwritten set."""
    images, labels = [], []
    for path in sorted(glob.glob("/usr/share/fonts/truetype/dejavu/*.ttf")):
        for points in (22, 26, 30):
            for digit in range(10):
                font = ImageFont.truetype(path, points)
                picture = Image.new("L", (SIZE, SIZE))
                draw = ImageDraw.Draw(picture)
                box = draw.textbbox((0, 0), str(digit), font=font)
                at = ((SIZE - box[2] - box[0]) / 2, (SIZE - box[3] - box[1]) / 2)
                draw.text(at, str(digit), fill=255, font=font)
                images.append(np.asarray(picture, np.float32) / 255)
                labels.append(digit)
    return np.stack(images), np.array(labels)


def written_digits():
    data = load_digits()
    images = [np.asarray(Image.fromarray((d * 15.9).clip(0, 255).astype(np.uint8)).resize((SIZE, SIZE), Image.BICUBIC),
                         np.float32) / 255 for d in data.images]
    return np.stack(images), data.target


def distort(images, generator):
    """Random rotation, scale, shear, shift and contrast of a batch [B,1,S,S]."""
    b = images.shape[0]
    r = lambda low, high: torch.rand(b, generator=generator) * (high - low) + low
    angle, scale, shear = r(-0.25, 0.25), r(0.8, 1.25), r(-0.2, 0.2)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    theta = torch.stack([cos, -sin + shear, r(-0.2, 0.2), sin, cos, r(-0.2, 0.2)], 1).reshape(b, 2, 3)
    grid = nn.functional.affine_grid(theta, images.shape, align_corners=False)
    out = nn.functional.grid_sample(images, grid, align_corners=False)
    out = out ** r(0.6, 1.6).reshape(b, 1, 1, 1) * r(0.6, 1.0).reshape(b, 1, 1, 1)
    return (out + torch.randn(out.shape, generator=generator) * 0.03).clamp(0, 1)


class DigitModel(nn.Module):
    """4 x 4 patches, a class token, four pre-norm blocks of width 64."""

    def __init__(self, width=64, heads=4, blocks=4, hidden=128):
        super().__init__()
        self.patches = nn.Conv2d(1, width, PATCH, PATCH)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, (SIZE // PATCH) ** 2 + 1, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def main():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    written, written_labels = written_digits()
    drawn, drawn_labels = drawn_digits()
    held_out = np.arange(len(written)) % 5 == 0
    x = torch.tensor(np.concatenate([written[~held_out], drawn]))[:, None]
    y = torch.tensor(np.concatenate([written_labels[~held_out], drawn_labels]))
    test_x, test_y = torch.tensor(written[held_out])[:, None], torch.tensor(written_labels[held_out])
    print(f"{len(x)} training pictures, {len(test_x)} test pictures")

    model, epochs, batch = DigitModel(), 60, 64
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * (len(x) // batch), pct_start=0.2)
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(x), generator=generator)
        for i in range(0, len(x) // batch * batch, batch):
            pick = order[i:i + batch]
            logits = model((distort(x[pick], generator) - 0.5) / 0.5)
            loss = nn.functional.cross_entropy(logits, y[pick], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            right = (model((test_x - 0.5) / 0.5).argmax(1) == test_y).sum().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, held-out handwriting {right} of {len(test_y)}", flush=True)

    torch.onnx.export(model, torch.zeros(1, 1, SIZE, SIZE), HERE / "digits.onnx", input_names=["image"],
                      output_names=["logits"], opset_version=17, dynamo=False)
    picture = Image.fromarray((written[held_out][8] * 255).astype(np.uint8)).resize((256, 256), Image.BICUBIC)
    picture.save(HERE / "digits.png")
    print(f"digits.png shows a {written_labels[held_out][8]}")


if __name__ == "__main__":
    main()
