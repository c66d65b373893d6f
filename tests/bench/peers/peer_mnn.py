"""MNN: float32; and weights of 8 bits per channel with its low-memory mode, in which rows are
quantised at run time."""

import contextlib

import MNN
import MNN.expr
import MNN.nn
import numpy as np
from peer_case import Unsupported

VARIANTS = ["float32", "int8_dynamic"]


def version():
    return MNN.version()


def prepare(case):
    import _tools  # the converter itself; its script reports each use to its makers

    command = ["mnnconvert", "-f", "ONNX", "--modelFile", str(case.onnx), "--bizCode", "bench"]
    command += ["--MNNModel", str(case.file(".mnn")), "--transformerFuse"]
    if case.variant == "int8_dynamic":
        command += ["--weightQuantBits", "8"]
    with contextlib.suppress(SystemExit):
        _tools.mnnconvert(command)
    if not case.file(".mnn").exists():
        raise Unsupported("the converter wrote nothing")


def load(case):
    memory = "low" if case.variant == "int8_dynamic" else "normal"
    runtime = MNN.nn.create_runtime_manager(
        ({"backend": "CPU", "numThread": case.threads, "memory": memory, "precision": "normal"},)
    )
    net = MNN.nn.load_module_from_file(
        str(case.file(".mnn")), list(case.inputs), case.output_names(), runtime_manager=runtime
    )
    variables = []
    for array in case.inputs.values():
        kind = MNN.expr.float
        if array.dtype == np.int64:
            array, kind = array.astype(np.int32), MNN.expr.int
        variables.append(MNN.expr.const(array, list(array.shape), MNN.expr.NCHW, kind))
    last = []

    def run():
        last[:] = net.forward(variables)
        last[0].ptr  # noqa: B018: computed when asked for

    return run, lambda: [np.array(MNN.expr.convert(v, MNN.expr.NCHW).read()) for v in last]
