#!/usr/bin/env python3
"""Trains the keyword demo: a small attention model that hears ten spoken words.

The speech is made by espeak-ng, so that nothing has to be downloaded: several English accents,
voice variants, speeds and pitches, with noise, gain and time shifts added while training. Voices
that end in a held-out variant are never trained on; they are the test set.

    pip install torch==2.13.0 numpy onnx && apt-get install espeak-ng
    python3 train_keywords.py        # writes keywords.onnx, keywords.wav and prints the accuracy

The front end (MFCC) is not part of the graph: keywords.task.json describes it to the converter.
"""
import io
import pathlib
import subprocess
import wave

import numpy as np
import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
OTHERS = ["bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow", "one", "two",
          "three", "four", "five", "six", "seven", "eight", "nine", "zero", "visual", "follow", "learn", "open"]
LABELS = ["_silence_", "_unknown_"] + WORDS
ACCENTS = ["en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029"]
TRAIN_VARIANTS = ["", "+m1", "+m2", "+m3", "+m4", "+m6", "+m7", "+f1", "+f2", "+f4", "+f5", "+klatt2", "+klatt4"]
TEST_VARIANTS = ["+m5", "+f3", "+klatt3"]
RATE, CLIP = 16000, 16000
WINDOW, HOP, FFT, MELS, COEFFICIENTS = 480, 160, 512, 80, 40


def speak(text, voice, speed, pitch):
    """One second of mono float32 at 16 kHz with the word somewhere in it."""
    raw = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text],
                         capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(raw)) as w:
        rate = w.getframerate()
        data = raw[raw.find(b"data") + 8:]
        x = np.frombuffer(data[:len(data) // 2 * 2], "<i2").astype(np.float32) / 32768
    t = np.arange(int(len(x) * RATE / rate)) * (rate / RATE)
    # Band-limit before the linear interpolation: the voices have 22.05 kHz.
    x = np.interp(t, np.arange(len(x)), np.convolve(x, np.array([0.25, 0.5, 0.25], np.float32), "same"))
    loud = np.flatnonzero(np.abs(x) > 0.01)
    x = x[loud[0]:loud[-1] + 1] if len(loud) else x
    return x.astype(np.float32)[:CLIP]


def make_set(variants, speeds, pitches, rng):
    clips, labels = [], []
    for accent in ACCENTS:
        for variant in variants:
            for word in WORDS:
                for speed in speeds:
                    for pitch in rng.choice(pitches, 2, replace=False):
                        clips.append(speak(word, accent + variant, speed, pitch))
                        labels.append(LABELS.index(word))
            for word in rng.choice(OTHERS, 10, replace=False):
                clips.append(speak(word, accent + variant, int(rng.choice(speeds)), int(rng.choice(pitches))))
                labels.append(1)
    return clips, np.array(labels)


def noise(rng, n):
    """White, brown or humming noise of unit power."""
    kind = rng.integers(3)
    x = rng.standard_normal(n)
    if kind == 1:
        x = np.convolve(rng.standard_normal(n + 63), np.ones(64) / 8, "valid")
    elif kind == 2:
        x = x * 0.3 + np.sin(2 * np.pi * rng.uniform(50, 400) / RATE * np.arange(n)) * 1.2
    return (x / (np.std(x) + 1e-9)).astype(np.float32)


def place(clip, rng, hard):
    """The clip at a random place of one second, at a random level, in noise."""
    out = np.zeros(CLIP, np.float32)
    if len(clip):
        start = rng.integers(0, max(1, CLIP - len(clip) + 1))
        out[start:start + len(clip)] = clip / (np.abs(clip).max() + 1e-6) * 10 ** rng.uniform(-1.2, -0.1)
        if hard and rng.random() < 0.5:  # a short echo
            delay = int(rng.integers(200, 1600))
            out[delay:] += out[:-delay] * rng.uniform(0.1, 0.4)
    level = 10 ** rng.uniform(-4.0, -1.6) if hard else 10 ** rng.uniform(-3.5, -2.2)
    return np.clip(out + noise(rng, CLIP) * level, -1, 1)


def mfcc_tables():
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    mel = lambda f: 1127 * np.log(1 + f / 700)
    edges = np.linspace(mel(20.0), mel(7600.0), MELS + 2)
    bins = mel(np.arange(FFT // 2 + 1) * RATE / FFT)
    bank = np.zeros((MELS, FFT // 2 + 1))
    for m in range(MELS):
        up = (bins - edges[m]) / (edges[m + 1] - edges[m])
        down = (edges[m + 2] - bins) / (edges[m + 2] - edges[m + 1])
        bank[m] = np.maximum(0, np.minimum(up, down))
    bank[:, 0] = 0
    k, m = np.arange(COEFFICIENTS)[:, None], np.arange(MELS)[None]
    dct = np.sqrt(2 / MELS) * np.cos(np.pi * k * (m + 0.5) / MELS)
    return [torch.tensor(t, dtype=torch.float32) for t in (window, bank, dct)]


def mfcc(waves, tables):
    """[B, 16000] -> [B, 98, 40], as models/audio computes it."""
    window, bank, dct = tables
    frames = waves.unfold(1, WINDOW, HOP) * window
    magnitude = torch.fft.rfft(frames, FFT).abs()
    return torch.log(torch.clamp(magnitude @ bank.T, min=1e-12)) @ dct.T


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-2, -1) * self.head_width ** -0.5, -1)
        return self.out((weights @ v).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.up, self.down, self.gelu = nn.Linear(width, hidden), nn.Linear(hidden, width), nn.GELU()

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.gelu(self.up(self.norm2(x))))


class KeywordModel(nn.Module):
    """Two frames a token, a class token, four pre-norm blocks of width 64."""

    def __init__(self, width=64, heads=4, blocks=4, hidden=128):
        super().__init__()
        self.embed = nn.Linear(2 * COEFFICIENTS, width)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, 50, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, len(LABELS))

    def forward(self, x):
        x = self.embed(x.reshape(x.shape[0], 49, 2 * COEFFICIENTS))
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def fold_normalization(model, mean, std):
    """Puts (x - mean) / std of each coefficient into the first layer: the graph takes raw MFCC."""
    mean2, std2 = mean.repeat(2), std.repeat(2)
    with torch.no_grad():
        model.embed.bias -= (model.embed.weight * (mean2 / std2)).sum(1)
        model.embed.weight /= std2


def main():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips, labels = make_set(TRAIN_VARIANTS, [120, 150, 185], list(range(25, 80, 5)), rng)
    test_clips, test_labels = make_set(TEST_VARIANTS, [135, 170], list(range(30, 75, 5)), rng)
    silent = len(clips) // 12
    clips += [np.zeros(0, np.float32)] * silent
    labels = np.concatenate([labels, np.zeros(silent, int)])
    test_clips += [np.zeros(0, np.float32)] * (len(test_clips) // 12)
    test_labels = np.concatenate([test_labels, np.zeros(len(test_clips) - len(test_labels), int)])
    print(f"{len(clips)} training clips, {len(test_clips)} test clips")

    tables = mfcc_tables()
    test_rng = np.random.default_rng(1)
    test_x = mfcc(torch.tensor(np.stack([place(c, test_rng, False) for c in test_clips])), tables)
    sample = mfcc(torch.tensor(np.stack([place(clips[i], rng, True) for i in range(0, len(clips), 7)])), tables)
    mean, std = sample.mean((0, 1)), sample.std((0, 1))

    model, epochs, batch = KeywordModel(), 30, 64
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    steps = epochs * (len(clips) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.2)
    for epoch in range(epochs):
        model.train()
        order, total = rng.permutation(len(clips)), 0.0
        for i in range(0, len(clips) // batch * batch, batch):
            pick = order[i:i + batch]
            x = mfcc(torch.tensor(np.stack([place(clips[j], rng, True) for j in pick])), tables)
            loss = nn.functional.cross_entropy(model((x - mean) / std), torch.tensor(labels[pick]), label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            answers = model((test_x - mean) / std).argmax(1).numpy()
        print(f"epoch {epoch + 1}: loss {total * batch / len(clips):.3f}, "
              f"held-out voices {np.mean(answers == test_labels) * 100:.2f} %", flush=True)

    fold_normalization(model, mean, std)
    with torch.no_grad():
        answers = model(test_x).argmax(1).numpy()
    for i, name in enumerate(LABELS):
        print(f"  {name}: {np.sum((answers == i) & (test_labels == i))} of {np.sum(test_labels == i)}")
    print(f"float accuracy on held-out voices: {np.sum(answers == test_labels)} of {len(test_labels)}")
    torch.onnx.export(model, torch.zeros(1, 98, COEFFICIENTS), HERE / "keywords.onnx", input_names=["mfcc"],
                      output_names=["logits"], opset_version=17, dynamo=False)
    demo = place(speak("right", "en-gb+f3", 150, 50), np.random.default_rng(5), False)
    with wave.open(str(HERE / "keywords.wav"), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes((demo * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    main()
