"""ncnn, converted by its own pnnx. Its tool ncnn2int8 is not in the package, so this file does what
that does for products of matrices: Gemm gets one weight scale, MultiHeadAttention one per output
and int8 inside; rows are quantised at run time. Convolutions would need a calibration table, and
stay float32, like the few products that pnnx writes as InnerProduct."""

import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import ncnn
import numpy as np
from peer_case import Unsupported

VARIANTS = ["float32", "int8"]
FLOAT_TAG, INT8_TAG = 0, 0x000D4B38


def version():
    return ncnn.__version__


def prepare(case):
    if case.variant == "float32":
        _convert(case)
        return
    plain = case.folder.parent / "float32"
    lines = (plain / f"{case.model}.param").read_text().splitlines()
    with open(plain / f"{case.model}.bin", "rb") as source, open(case.file(".bin"), "wb") as target:
        weights = Weights(source, target)
        lines = [*lines[:2], *(_quantise_layer(line, weights) for line in lines[2:])]
        if source.read(1):
            raise Unsupported("the weights of the converted model are not laid out as expected")
    case.file(".param").write_text("\n".join(lines) + "\n")


def _convert(case):
    pnnx = Path(sys.executable).parent / "pnnx"
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        model.write_bytes(case.onnx.read_bytes())
        done = subprocess.run([pnnx, model, "fp16=0"], cwd=folder, capture_output=True, text=True)
        made = Path(folder) / "model.ncnn.param"
        if not made.exists():
            raise Unsupported("pnnx: " + (done.stderr.strip().splitlines() or ["no output"])[-1])
        case.file(".param").write_bytes(made.read_bytes())
        case.file(".bin").write_bytes(made.with_suffix(".bin").read_bytes())


class Weights:
    """Copies arrays from one file of weights to another, quantising those that are asked for."""

    def __init__(self, source, target):
        self.source, self.target = source, target

    def raw(self, count):
        self.target.write(self.source.read(4 * count))

    def _tagged(self, count):
        (tag,) = struct.unpack("<I", self.source.read(4))
        if tag != FLOAT_TAG:
            raise Unsupported(f"weights with tag {tag:#x}")
        return np.frombuffer(self.source.read(4 * count), "<f4")

    def tagged(self, count):
        self.target.write(struct.pack("<I", FLOAT_TAG) + self._tagged(count).tobytes())

    def int8(self, count, rows):
        """Scales, one for each row, as ncnn means them: value times scale is the integer."""
        weights = self._tagged(count).reshape(rows, -1)
        scales = 127 / np.maximum(np.abs(weights).max(1), 1e-20)
        data = np.rint(weights * scales[:, None]).clip(-127, 127).astype(np.int8).tobytes()
        self.target.write(struct.pack("<I", INT8_TAG) + data + bytes(-len(data) % 4))
        return scales.astype("<f4")

    def write(self, scales):
        self.target.write(scales.tobytes())


def _quantise_layer(line, weights):
    words = line.split()
    kind, ins, outs = words[0], int(words[2]), int(words[3])
    pairs = (w.split("=") for w in words[4 + ins + outs :])
    p = {int(k): v for k, v in pairs if int(k) >= 0}
    num = {k: int(v) for k, v in p.items() if v.lstrip("-").isdigit()}
    if kind == "Gemm" and num.get(5):
        if not num.get(3):
            raise Unsupported("a Gemm whose weights are not transposed")
        scale = weights.int8(num[8] * num[9], 1)
        if num.get(6) and num.get(10, 0) != -1:
            weights.tagged({0: 1, 4: num[8]}[num[10]])
        weights.write(scale)
        return line + " 18=2"
    if kind == "MultiHeadAttention":
        width = num[0]
        scales = []
        sizes = (num[2], width * num.get(3, width), width * num.get(4, width), num[2])
        for i, size in enumerate(sizes):
            last = i == 3  # the output projection has one scale for all
            scales.append(weights.int8(size, 1 if last else width))
            weights.raw(num[2] // width if last else width)
        for scale in scales:
            weights.write(scale)
        return line + " 18=2"
    if kind == "LayerNorm" and num.get(2, 1):
        weights.raw(2 * num[0])
    elif kind == "MemoryData":
        weights.raw(np.prod([max(1, num.get(k, 0)) for k in (0, 1, 11, 2)]))
    elif kind in ("Convolution", "Convolution1D", "ConvolutionDepthWise"):
        weights.tagged(num[6])
        weights.raw(num[0] if num.get(5) else 0)
    elif kind == "InnerProduct":
        weights.tagged(num[2])
        weights.raw(num[0] if num.get(1) else 0)
    elif kind == "Embed":
        weights.tagged(num[3])
        weights.raw(num[0] if num.get(2) else 0)
    return line


def _number(name):
    """pnnx calls them in0, in1, .. and out0, out1, .."""
    return int(name.lstrip("inout"))


def load(case):
    net = ncnn.Net()
    net.opt.num_threads = case.threads
    net.load_param(str(case.file(".param")))
    net.load_model(str(case.file(".bin")))
    ins, outs = (sorted(n, key=_number) for n in (net.input_names(), net.output_names()))
    mats = []
    for array in case.inputs.values():  # without the batch, which ncnn does not have
        array = array.astype(np.int32) if array.dtype == np.int64 else array
        mats.append(ncnn.Mat(np.ascontiguousarray(array[0])).clone())
    last = []

    def run():
        extractor = net.create_extractor()
        for name, mat in zip(ins, mats):
            extractor.input(name, mat)
        last[:] = [extractor.extract(name)[1] for name in outs]

    return run, lambda: [np.array(mat) for mat in last]
