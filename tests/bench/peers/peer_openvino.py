"""OpenVINO: float32; int8 by NNCF after calibration (activations static, its fastest); and int8
weights with rows quantised at run time, which needs no calibration. Precision otherwise float32."""

import nncf
import numpy as np
import openvino as ov

VARIANTS = ["float32", "int8_static", "int8_dynamic"]


def version():
    return f"{ov.__version__.split('-')[0]} (NNCF {nncf.__version__})"


def _calibration(case):
    random = np.random.default_rng(1)
    yield dict(case.inputs)
    for _ in range(2):
        yield {n: random.permutation(a.ravel()).reshape(a.shape) for n, a in case.inputs.items()}


def prepare(case):
    model = ov.convert_model(case.onnx)
    if case.variant == "int8_static":
        model = nncf.quantize(
            model,
            nncf.Dataset(list(_calibration(case))),
            subset_size=3,
            model_type=nncf.ModelType.TRANSFORMER,
        )
    elif case.variant == "int8_dynamic":
        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    ov.save_model(model, case.file(".xml"), compress_to_fp16=False)


def load(case):
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": case.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # the process is pinned already
    }
    if case.variant == "int8_dynamic":
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 128
    request = ov.Core().compile_model(case.file(".xml"), "CPU", options).create_infer_request()
    for name, array in case.inputs.items():
        request.set_tensor(name, ov.Tensor(array, shared_memory=True))
    return request.infer, lambda: [t.data for t in request.output_tensors]
