"""ONNX Runtime: float32; dynamic int8 (per channel, of the export as it is); the same after the
transformer optimiser of the package fused attention, norms and GELU; and for networks with
convolutions static int8 (QDQ)."""

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime import quantization
from peer_case import Unsupported

VARIANTS = ["float32", "int8", "int8_fused", "int8_static"]


def version():
    return ort.__version__


def _fuse(case, path):
    from onnxruntime.transformers import optimizer

    kinds = {"deit_tiny": "vit", "mobilevit_xxs": "vit"}
    heads = {"deit_tiny": 3, "kwt1": 1, "kwt3": 3, "minilm_l6": 12}.get(case.model, 6)
    widths = {"deit_tiny": 192, "kwt1": 64, "kwt3": 192}
    model = optimizer.optimize_model(
        str(case.onnx),
        model_type=kinds.get(case.model, "bert"),
        num_heads=heads,
        hidden_size=widths.get(case.model, 384),
        opt_level=0,
        only_onnxruntime=False,
    )
    fused = model.get_fused_operator_statistics()
    if not any(fused.values()):
        raise Unsupported("the transformer optimiser found nothing to fuse")
    print("fused:", {k: v for k, v in fused.items() if v})
    model.save_model_to_file(str(path))


class _Calibration(quantization.CalibrationDataReader):
    def __init__(self, case):
        random = np.random.default_rng(1)
        self.left = [case.inputs]
        for _ in range(2):
            self.left.append(
                {
                    n: random.permutation(a.ravel()).reshape(a.shape)
                    for n, a in case.inputs.items()
                }
            )

    def get_next(self):
        return self.left.pop() if self.left else None


def prepare(case):
    target = case.file(".onnx")
    if case.variant == "float32":
        target.write_bytes(case.onnx.read_bytes())
        return
    source = case.file(".tmp.onnx")
    if case.variant == "int8_fused":
        _fuse(case, source)
    else:
        onnx.save(onnx.shape_inference.infer_shapes(onnx.load(case.onnx)), source)
    if case.variant == "int8_static":
        quantization.quantize_static(
            source,
            target,
            _Calibration(case),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8,
            op_types_to_quantize=["MatMul", "Gemm", "Conv"],
        )
    else:
        quantization.quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Gemm", "Attention", "Gather"],
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # of fused ops' outputs
        )
    source.unlink()


def load(case):
    options = ort.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(case.file(".onnx"), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()  # spares the copies that session.run() would add
    for name, array in case.inputs.items():
        binding.bind_cpu_input(name, array)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    return (
        lambda: session.run_with_iobinding(binding),
        lambda: [o.numpy() for o in binding.get_outputs()],
    )
