#!/usr/bin/env python3
"""make_reference_models.py FOLDER [--only NAME ...]

Writes the networks that the side-by-side comparison runs: architectures as published, random
weights from fixed seeds, so that anybody measures the same work without a download. Each is
exported as users export theirs: PyTorch's TorchScript exporter, opset 17, static shapes, batch 1.
Beside NAME.onnx lies NAME.npz: an input of the network (in:NAME) and what PyTorch answers
(out:NAME), by which every engine is checked before its speed is believed, and NAME.json with the
count of multiply-adds.

Needs torch, onnx, numpy, and for mobilevit_xxs transformers. The same versions give the same bytes.
"""

import argparse
import dataclasses
import json
import math
import os
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Attention(nn.Module):
    """Separate q, k and v projections; keys and values of the token's own rows unless given."""

    def __init__(self, width, heads, key_bias=True):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.q, self.v, self.out = (nn.Linear(width, width) for _ in range(3))
        self.k = nn.Linear(width, width, bias=key_bias)

    def split(self, rows):
        return rows.view(1, -1, self.heads, self.head_width).transpose(1, 2)

    def attend(self, x, keys, values):
        q = self.split(self.q(x))
        weights = (q @ keys.transpose(-1, -2)) * (1 / math.sqrt(self.head_width))
        rows = (weights.softmax(-1) @ values).transpose(1, 2)
        return self.out(rows.reshape(1, -1, self.heads * self.head_width))

    def forward(self, x):
        return self.attend(x, self.split(self.k(x)), self.split(self.v(x)))


class Mlp(nn.Sequential):
    def __init__(self, width, hidden):
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Block(nn.Module):
    """One layer of an encoder; norms before the sublayers or, as BERT and KWT have it, after."""

    def __init__(self, width, heads, post_norm=False, key_bias=True, eps=1e-6):
        super().__init__()
        self.attention = Attention(width, heads, key_bias)
        self.mlp = Mlp(width, 4 * width)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.post_norm = post_norm

    def forward(self, x):
        if self.post_norm:
            x = self.norm1(x + self.attention(x))
            return self.norm2(x + self.mlp(x))
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, size=224, patch=16, width=192, layers=12, heads=3, classes=1000):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.first = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, classes)

    def forward(self, pixels):
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat((self.first, x), 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class KeywordTransformer(nn.Module):
    def __init__(self, width, heads, frames=98, bins=40, layers=12, classes=35):
        super().__init__()
        self.frames = nn.Linear(bins, width)
        self.first = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, frames + 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads, True) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, mfcc):
        x = torch.cat((self.first, self.frames(mfcc)), 1) + self.places
        return self.head(self.blocks(x)[:, 0])


class WhisperEncoder(nn.Module):
    def __init__(self, bins=80, frames=1500, width=384, layers=4, heads=6):
        super().__init__()
        self.conv1 = nn.Conv1d(bins, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.places = nn.Parameter(0.02 * torch.randn(frames, width))
        self.blocks = nn.Sequential(
            *(Block(width, heads, key_bias=False, eps=1e-5) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, mel):
        x = nn.functional.gelu(self.conv1(mel))
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)
        return self.norm(self.blocks(x + self.places))


class WhisperDecoderLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.own, self.cross = Attention(width, heads, False), Attention(width, heads, False)
        del self.cross.k, self.cross.v  # applied once per sound, by the encoder's side
        self.mlp = Mlp(width, 4 * width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x, own_k, own_v, cross_k, cross_v):
        normed = self.norm1(x)
        own_k = torch.cat((own_k, self.own.split(self.own.k(normed))), 2)
        own_v = torch.cat((own_v, self.own.split(self.own.v(normed))), 2)
        x = x + self.own.attend(normed, own_k, own_v)
        x = x + self.cross.attend(self.norm2(x), cross_k, cross_v)
        return x + self.mlp(self.norm3(x)), own_k, own_v


class WhisperDecoderStep(nn.Module):
    """One token at a fixed position; the caches are plain inputs and outputs."""

    def __init__(self, position=64, tokens=51865, places=448, width=384, layers=4, heads=6):
        super().__init__()
        self.position = position
        self.embedding = nn.Embedding(tokens, width)
        self.places = nn.Parameter(0.02 * torch.randn(places, width))
        self.layers = nn.ModuleList(WhisperDecoderLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def forward(self, token, *caches):
        x = self.embedding(token) + self.places[self.position : self.position + 1]
        present = []
        for i, layer in enumerate(self.layers):
            x, *own = layer(x, *caches[4 * i : 4 * i + 4])
            present += own
        return (self.norm(x) @ self.embedding.weight.T, *present)


class MiniLm(nn.Module):
    def __init__(self, tokens=30522, length=128, places=512, width=384, layers=6, heads=12):
        super().__init__()
        self.words, self.kinds = nn.Embedding(tokens, width), nn.Embedding(2, width)
        self.places, self.norm = nn.Embedding(places, width), nn.LayerNorm(width, 1e-12)
        self.blocks = nn.Sequential(*(Block(width, heads, True, eps=1e-12) for _ in range(layers)))
        for table in (self.words, self.kinds, self.places):
            nn.init.normal_(table.weight, std=0.02)
        self.register_buffer("place", torch.arange(length).view(1, -1), persistent=False)
        self.register_buffer("kind", torch.zeros(1, length, dtype=torch.long), persistent=False)

    def forward(self, ids):
        x = self.words(ids) + self.kinds(self.kind) + self.places(self.place)
        return self.blocks(self.norm(x))


class MobileVit(nn.Module):
    def __init__(self):
        super().__init__()
        from transformers import MobileViTConfig, MobileViTForImageClassification

        config = MobileViTConfig(
            image_size=256,
            hidden_sizes=[64, 80, 96],
            neck_hidden_sizes=[16, 16, 24, 48, 64, 80, 320],
            expand_ratio=2.0,
            num_labels=1000,
            attn_implementation="eager",
        )
        self.net = MobileViTForImageClassification(config)
        for part in self.net.modules():  # the library's own initial weights fade to denormals
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)
            elif isinstance(part, nn.Linear):
                part.reset_parameters()
            elif isinstance(part, nn.BatchNorm2d):
                nn.init.normal_(part.running_mean, std=0.1)
                nn.init.uniform_(part.running_var, 0.5, 1.5)

    def forward(self, pixels):
        return self.net(pixel_values=pixels, return_dict=False)[0]


@dataclasses.dataclass
class Reference:
    build: Callable[[], nn.Module]
    inputs: dict  # name to shape; a shape of ints with a limit (shape, limit) for ids
    outputs: list
    multiply_adds: float  # millions


def _decoder_cache(kind, length, layers=4):
    return {
        f"past_key_values.{i}.{kind}.{what}": (1, 6, length, 64)
        for i in range(layers)
        for what in ("key", "value")
    }


def _decoder_inputs():
    own, cross = _decoder_cache("decoder", 64), _decoder_cache("encoder", 1500)
    inputs = {"input_ids": ((1, 1), 51865)}
    for i in range(4):
        layer = f"past_key_values.{i}."
        inputs.update({n: s for n, s in (own | cross).items() if n.startswith(layer)})
    return inputs


REFERENCES = {
    "deit_tiny": Reference(VisionTransformer, {"pixel_values": (1, 3, 224, 224)}, ["logits"], 1254),
    "kwt1": Reference(lambda: KeywordTransformer(64, 1), {"mfcc": (1, 98, 40)}, ["logits"], 74),
    "kwt3": Reference(lambda: KeywordTransformer(192, 3), {"mfcc": (1, 98, 40)}, ["logits"], 572),
    "whisper_tiny_encoder": Reference(
        WhisperEncoder, {"input_features": (1, 80, 3000)}, ["last_hidden_state"], 18469
    ),
    "whisper_tiny_decoder_step": Reference(
        WhisperDecoderStep,
        _decoder_inputs(),
        ["logits"]
        + [f"present.{i}.decoder.{what}" for i in range(4) for what in ("key", "value")],
        33,
    ),
    "minilm_l6": Reference(MiniLm, {"input_ids": ((1, 128), 30522)}, ["last_hidden_state"], 1434),
    "mobilevit_xxs": Reference(MobileVit, {"pixel_values": (1, 3, 256, 256)}, ["logits"], 407),
}


def build(name):
    """The network with its weights, and an example of each input in order."""
    torch.manual_seed(1 + list(REFERENCES).index(name))
    module = REFERENCES[name].build().eval()
    inputs = []
    for shape in REFERENCES[name].inputs.values():
        if isinstance(shape[0], tuple):
            inputs.append(torch.randint(0, shape[1], shape[0]))
        else:
            inputs.append(torch.randn(shape))
    return module, tuple(inputs)


def answers_and_multiply_adds(module, inputs):
    """What the network answers, and how many products of matrices and convolutions that takes."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        answers = module(*inputs)
    return (answers if isinstance(answers, tuple) else (answers,)), counter.get_total_flops() // 2


def write(name, folder):
    reference = REFERENCES[name]
    module, inputs = build(name)
    path = os.path.join(folder, name + ".onnx")
    answers, count = answers_and_multiply_adds(module, inputs)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter says that it is old
        torch.onnx.export(
            module,
            inputs,
            path + ".part",
            input_names=list(reference.inputs),
            output_names=reference.outputs,
            opset_version=17,
            dynamo=False,
        )
    os.replace(path + ".part", path)
    arrays = {"in:" + n: t.numpy() for n, t in zip(reference.inputs, inputs)}
    arrays |= {"out:" + n: t.numpy() for n, t in zip(reference.outputs, answers)}
    np.savez(os.path.join(folder, name + ".npz"), **arrays)
    millions = count / 1e6
    if reference.multiply_adds and abs(millions - reference.multiply_adds) > 1:
        raise SystemExit(f"{name}: {millions:.1f} M multiply-adds, not {reference.multiply_adds} M")
    with open(os.path.join(folder, name + ".json"), "w") as facts:
        json.dump({"multiply_adds": count, "torch": torch.__version__}, facts)
    size = os.path.getsize(path) / 1e6
    print(f"{path}: {size:.2f} MB, {millions:.1f} M multiply-adds", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--only", nargs="+", choices=list(REFERENCES), default=list(REFERENCES))
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    for name in arguments.only:
        write(name, arguments.folder)


if __name__ == "__main__":
    main()
