"""ExecuTorch with its XNNPACK backend, as its own guide lowers a network: float32, and int8 with
weights per channel and rows quantised at run time. What XNNPACK does not take (LayerNorm) runs in
ExecuTorch's own kernels."""

import importlib.metadata

import torch
from executorch.extension.pybindings import portable_lib

VARIANTS = ["float32", "int8"]


def version():
    return importlib.metadata.version("executorch")


def prepare(case):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    module, inputs = case.torch_module()
    program = torch.export.export(module, inputs)
    if case.variant == "int8":
        config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
        prepared = prepare_pt2e(program.module(), XNNPACKQuantizer().set_global(config))
        prepared(*inputs)
        program = torch.export.export(convert_pt2e(prepared), inputs)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    case.file(".pte").write_bytes(lowered.to_executorch().buffer)


def load(case):
    portable_lib._unsafe_reset_threadpool(case.threads)
    module = portable_lib._load_for_executorch(str(case.file(".pte")))
    inputs = [torch.from_numpy(array) for array in case.inputs.values()]
    last = []

    def run():
        last[:] = module.forward(inputs)

    return run, lambda: [tensor.numpy() for tensor in last]
