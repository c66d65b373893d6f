#!/usr/bin/env python3
"""make_every_op.py FOLDER: writes every_op.tflite, a model with one output for each op that the TensorFlow Lite
importer reads, as TensorFlow's own converter spells it, and every_op.txt, what its interpreter computes with it.

Needs tensorflow. Inputs and weights follow from formulas that the test knows too. every_op.txt has a
line for each output: its name, its shape, its elements."""
import os
import sys

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf  # noqa: E402


def numbers(shape, salt):
    """Multiples of 1/512 in -2 .. 2."""
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    return (((i * 7919 + salt * 104729) % 2049 - 1024) / 512).astype(np.float32).reshape(shape)


def weight(shape, salt):
    return tf.constant(numbers(shape, salt) * 0.25)


def build(x, v, i):
    """x [1,4,6,8], v [3,8], i int32 [4] in 0 .. 3."""
    positive, b = tf.abs(v) + 0.25, weight([8], 1)
    s = tf.cast(i, tf.float32)
    y = {}
    # elementwise
    y["abs"], y["ceil"], y["cos"], y["elu"], y["exp"] = tf.abs(v), tf.math.ceil(v), tf.cos(v), tf.nn.elu(v), tf.exp(v)
    y["floor"], y["log"], y["neg"], y["round"], y["rsqrt"] = (tf.floor(v), tf.math.log(positive), -v, tf.round(v * 4),
                                                             tf.math.rsqrt(positive))
    y["sigmoid"], y["sign"], y["sin"], y["sqrt"], y["square"] = (tf.sigmoid(v), tf.sign(v), tf.sin(v), tf.sqrt(positive),
                                                                tf.square(v))
    y["tanh"], y["relu"], y["relu6"], y["leaky"] = tf.tanh(v), tf.nn.relu(v), tf.nn.relu6(v * 4), tf.nn.leaky_relu(v, 0.2)
    y["gelu_tanh"] = tf.nn.gelu(v, approximate=True)
    y["hard_swish"] = v * tf.nn.relu6(v + 3) * (1 / 6)
    y["add_relu"], y["sub"], y["mul"], y["div"] = tf.nn.relu(v + b), v - b, v * b, v / (positive + 1)
    y["minimum"], y["maximum"], y["squared_difference"] = (tf.minimum(v, b), tf.maximum(v, b),
                                                           tf.math.squared_difference(v, b))
    y["pow"], y["floor_div"], y["floor_mod"] = tf.pow(positive, 1.5), tf.math.floordiv(v, positive), tf.math.floormod(v, 0.75)
    y["int_floor_div"], y["int_floor_mod"] = tf.math.floordiv(i - 2, 2), tf.math.floormod(i - 2, 3)
    y["add_n"] = tf.add_n([v, v * 2, positive])
    y["less"], y["greater_equal"], y["not_equal"] = v < b, v >= 0.5, tf.not_equal(i, 2)
    y["logic"] = tf.logical_or(tf.logical_and(v > 0, v < 1), tf.logical_not(v > -1))
    y["cast"] = tf.cast(v * 3, tf.int32)
    y["softmax"], y["log_softmax"] = tf.nn.softmax(v), tf.nn.log_softmax(v)
    y["l2_normalize"] = tf.math.l2_normalize(v, axis=-1)
    # reductions
    y["mean"], y["sum"] = tf.reduce_mean(x, [1, 2]), tf.reduce_sum(x, -1, keepdims=True)
    y["reduce_max"], y["reduce_min"], y["prod"] = tf.reduce_max(v, 0), tf.reduce_min(v, 1), tf.reduce_prod(v, 0)
    y["any"], y["all"] = tf.reduce_any(v > 1, 1), tf.reduce_all(v > -1.5, 0)
    y["arg_max"], y["arg_min"] = tf.argmax(v, 1, tf.int32), tf.argmin(v, 0, tf.int32)
    y["cumsum"], y["cumsum_back"] = tf.cumsum(v, 1), tf.cumsum(v, 0, exclusive=True, reverse=True)
    # layers
    y["dense"] = tf.nn.relu(tf.matmul(v, weight([8, 5], 2)) + weight([5], 3))
    y["dense_rank_4"] = tf.tensordot(x, weight([8, 5], 4), 1)
    y["matmul"] = tf.matmul(x, x + 1, transpose_b=True)
    y["matmul_adj"] = tf.matmul(x, tf.nn.tanh(x), transpose_a=True)
    y["conv_same"] = tf.nn.conv2d(x, weight([3, 3, 8, 4], 5), [1, 2, 2, 1], "SAME") + weight([4], 6)
    y["conv_valid"] = tf.nn.relu6(tf.nn.conv2d(x, weight([2, 3, 8, 4], 7), 1, "VALID"))
    y["conv_dilated"] = tf.nn.conv2d(x, weight([3, 3, 8, 4], 8), 1, "SAME", dilations=2)
    y["conv_grouped"] = tf.nn.conv2d(x, weight([3, 3, 4, 6], 9), 1, "SAME")
    y["conv_1d"] = tf.nn.conv1d(tf.reshape(x, [1, 24, 8]), weight([3, 8, 9], 10), 2, "SAME")
    y["depthwise"] = tf.nn.depthwise_conv2d(x, weight([3, 3, 8, 1], 11), [1, 1, 1, 1], "SAME")
    y["depthwise_times_2"] = tf.nn.depthwise_conv2d(x, weight([3, 3, 8, 2], 12), [1, 2, 2, 1], "VALID")
    y["transpose_conv"] = tf.nn.conv2d_transpose(x, weight([3, 3, 5, 8], 13), [1, 8, 12, 5], 2, "SAME")
    y["transpose_conv_valid"] = tf.nn.conv2d_transpose(x, weight([2, 3, 5, 8], 14), [1, 8, 13, 5], 2, "VALID")
    y["average_pool"], y["max_pool"] = tf.nn.avg_pool2d(x, 3, 2, "SAME"), tf.nn.max_pool2d(x, 2, 2, "VALID")
    y["bilinear"] = tf.compat.v1.image.resize_bilinear(x, [7, 9], half_pixel_centers=True)
    y["bilinear_corners"] = tf.compat.v1.image.resize_bilinear(x, [7, 9], align_corners=True)
    y["bilinear_plain"] = tf.compat.v1.image.resize_bilinear(x, [3, 9])
    y["nearest"] = tf.compat.v1.image.resize_nearest_neighbor(x, [7, 9], half_pixel_centers=True)
    y["nearest_plain"] = tf.compat.v1.image.resize_nearest_neighbor(x, [7, 4])
    y["embedding"] = tf.nn.embedding_lookup(weight([4, 6], 15), i)
    # moves
    y["reshape"], y["transpose"] = tf.reshape(x, [6, -1]), tf.transpose(x, [0, 3, 1, 2])
    y["squeeze"], y["expand_dims"] = tf.squeeze(x, 0), tf.expand_dims(v, 1)
    y["concat"], y["stack"] = tf.concat([v, v * 2], -1), tf.stack([v, v + 1], 1)
    y["split_0"], y["split_1"] = tf.split(v, 2, 1)
    y["split_v_0"], y["split_v_1"] = tf.split(x, [2, -1], 3)
    y["unstack_0"], y["unstack_1"], y["unstack_2"] = tf.unstack(v)
    y["slice"] = tf.slice(x, [0, 1, 0, 2], [1, 2, -1, 3])
    y["strided"] = x[:, ::2, -1:0:-2, tf.newaxis, 3]
    y["strided_ellipsis"] = x[..., 1:-1:3]
    y["reverse"] = tf.reverse(x, [1, 2])
    y["pad"], y["pad_v2"] = tf.pad(v, [[1, 2], [0, 3]]), tf.pad(v, [[0, 1], [2, 0]], constant_values=1.5)
    y["reflect"], y["symmetric"] = tf.pad(v, [[1, 2], [3, 4]], "REFLECT"), tf.pad(v, [[1, 3], [2, 8]], "SYMMETRIC")
    y["tile"], y["broadcast"] = tf.tile(v, [2, 1]), tf.broadcast_to(b, [2, 3, 8]) + 0 * v
    y["space_to_depth"], y["depth_to_space"] = tf.nn.space_to_depth(x, 2), tf.nn.depth_to_space(x, 2)
    # choices
    y["gather"], y["gather_axis"] = tf.gather(weight([5, 3], 16), i), tf.gather(x, [3, 0, 5], axis=2)
    y["gather_nd"] = tf.gather_nd(v, [[0, 1], [2, 7]])
    y["select"], y["where"] = tf.where(v > 0, v, -0.5 * v), tf.where(tf.constant([True, False, True])[:, None], v, 1.0)
    y["one_hot"] = tf.one_hot(i, 5, 2.0, -1.0)
    y["range"] = s + tf.range(0.0, 2.0, 0.5)
    y["fill"], y["zeros_like"] = tf.fill([2, 8], v[0, 0]), tf.zeros_like(v) + v
    # a spectrum
    spectrum = tf.signal.rfft(tf.reshape(x, [4, 48]), [64])
    y["rfft_abs"], y["rfft_real"], y["rfft_imag"] = tf.abs(spectrum), tf.math.real(spectrum), tf.math.imag(spectrum)
    return {name: value for name, value in y.items()}


def main():
    folder = sys.argv[1]
    module = tf.Module()
    module.f = tf.function(build, input_signature=[tf.TensorSpec([1, 4, 6, 8], tf.float32, "x"),
                                                   tf.TensorSpec([3, 8], tf.float32, "v"),
                                                   tf.TensorSpec([4], tf.int32, "i")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.f.get_concrete_function()], module)
    with tf.device("/CPU:0"):
        model = converter.convert()
    with open(os.path.join(folder, "every_op.tflite"), "wb") as file:
        file.write(model)
    interpreter = tf.lite.Interpreter(model_content=model)
    runner = interpreter.get_signature_runner()
    answers = runner(x=numbers([1, 4, 6, 8], 100), v=numbers([3, 8], 101), i=np.array([1, 3, 0, 2], np.int32))
    with open(os.path.join(folder, "every_op.txt"), "w", encoding="ascii") as file:
        for name in sorted(answers):
            value = np.asarray(answers[name])
            shape = "x".join(str(n) for n in value.shape) or "-"
            file.write(f"{name} {shape} " + " ".join(f"{float(e):.7g}" for e in value.ravel()) + "\n")


if __name__ == "__main__":
    main()
