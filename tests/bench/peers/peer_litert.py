"""LiteRT (TensorFlow Lite) with its XNNPACK delegate, converted from PyTorch by its makers' tool:
float32, and int8 weights per channel with rows quantised at run time."""

import importlib.metadata

from ai_edge_litert.interpreter import Interpreter

VARIANTS = ["float32", "int8"]


def version():
    return importlib.metadata.version("ai-edge-litert")


def prepare(case):
    import litert_torch

    module, inputs = case.torch_module()
    litert_torch.convert(module, inputs).export(str(case.file(".tflite")))
    if case.variant == "int8":
        from ai_edge_quantizer import quantizer, recipe

        work = quantizer.Quantizer(str(case.file(".tflite")))
        work.load_quantization_recipe(recipe.dynamic_wi8_afp32())
        work.quantize().export_model(str(case.file(".tflite")), overwrite=True)


def load(case):
    interpreter = Interpreter(str(case.file(".tflite")), num_threads=case.threads)
    interpreter.allocate_tensors()
    ins = sorted(interpreter.get_input_details(), key=lambda d: _number(d["name"]))
    for detail, array in zip(ins, case.inputs.values()):
        interpreter.set_tensor(detail["index"], array.astype(detail["dtype"]))
    outs = sorted(interpreter.get_output_details(), key=lambda d: _number(d["name"]))
    return interpreter.invoke, lambda: [interpreter.get_tensor(d["index"]) for d in outs]


def _number(name):
    """serving_default_args_3:0, StatefulPartitionedCall:2: the last number but for inputs' :0."""
    stem = name.removesuffix(":0") if "args" in name else name
    digits = stem.rstrip("0123456789")
    return int(stem[len(digits) :] or 0)
