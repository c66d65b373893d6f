"""CTranslate2, which has Whisper and BERT encoders, and none of the others. It takes models of the
transformers library: the reference weights go into one of those first. float32 and its int8."""

import shutil
import tempfile

import ctranslate2
import numpy as np
from peer_case import Unsupported

VARIANTS = ["float32", "int8"]
KINDS = {"whisper_tiny_encoder": "whisper", "minilm_l6": "bert"}


def version():
    return ctranslate2.__version__


def prepare(case):
    if case.model not in KINDS:
        raise Unsupported("CTranslate2 has no such architecture, or does not run it by steps")
    made = _whisper(case) if KINDS[case.model] == "whisper" else _bert(case)
    with tempfile.TemporaryDirectory() as folder:
        made.save_pretrained(folder)
        converter = ctranslate2.converters.TransformersConverter(folder)
        converter.load_tokenizer = lambda *_: _Vocabulary(made.config.vocab_size)
        target = case.folder / case.model
        shutil.rmtree(target, ignore_errors=True)
        quantization = "int8" if case.variant == "int8" else None
        converter.convert(str(target), quantization=quantization)


class _Vocabulary:
    """Stands for a tokenizer: names for ids, which is all that the converter asks of it."""

    unk_token, bos_token, eos_token, additional_special_tokens = "t0", "t1", "t2", []

    def __init__(self, size):
        self.size = size
        self.name_or_path = ""

    def __len__(self):
        return self.size

    def get_vocab(self):
        return {f"t{i}": i for i in range(self.size)}

    def get_added_vocab(self):
        return {}


def _copy(ours, theirs):
    theirs.weight.data = ours.weight.data
    if ours.bias is not None:
        theirs.bias.data = ours.bias.data


def _whisper(case):
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    ours, _ = case.torch_module()
    config = WhisperConfig(
        d_model=384,
        encoder_layers=4,
        encoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_layers=1,
        decoder_attention_heads=6,
        decoder_ffn_dim=1536,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    made = WhisperForConditionalGeneration(config)
    made.generation_config.suppress_tokens = made.generation_config.begin_suppress_tokens = []
    made.generation_config.alignment_heads = [[0, 0]]
    encoder = made.model.encoder
    for name in ("conv1", "conv2"):
        _copy(getattr(ours, name), getattr(encoder, name))
    encoder.embed_positions.weight.data = ours.places.data
    _copy(ours.norm, encoder.layer_norm)
    for block, layer in zip(ours.blocks, encoder.layers):
        own, theirs = block.attention, layer.self_attn
        names = ((own.q, "q_proj"), (own.k, "k_proj"), (own.v, "v_proj"), (own.out, "out_proj"))
        for a, b in names:
            _copy(a, getattr(theirs, b))
        _copy(block.norm1, layer.self_attn_layer_norm)
        _copy(block.norm2, layer.final_layer_norm)
        _copy(block.mlp[0], layer.fc1)
        _copy(block.mlp[2], layer.fc2)
    return made


def _bert(case):
    from transformers import BertConfig, BertModel

    ours, _ = case.torch_module()
    config = BertConfig(
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        position_embedding_type="absolute",  # which the converter still asks for
    )
    made = BertModel(config)
    tables = made.embeddings
    tables.word_embeddings.weight.data = ours.words.weight.data
    tables.position_embeddings.weight.data = ours.places.weight.data
    tables.token_type_embeddings.weight.data = ours.kinds.weight.data
    _copy(ours.norm, tables.LayerNorm)
    for block, layer in zip(ours.blocks, made.encoder.layer):
        own, theirs = block.attention, layer.attention
        for a, b in ((own.q, "query"), (own.k, "key"), (own.v, "value")):
            _copy(a, getattr(theirs.self, b))
        _copy(own.out, theirs.output.dense)
        _copy(block.norm1, theirs.output.LayerNorm)
        _copy(block.mlp[0], layer.intermediate.dense)
        _copy(block.mlp[2], layer.output.dense)
        _copy(block.norm2, layer.output.LayerNorm)
    return made


def load(case):
    folder = str(case.folder / case.model)
    options = {
        "device": "cpu",
        "intra_threads": case.threads,
        "inter_threads": 1,
        "compute_type": case.variant,
    }
    last = []
    if KINDS[case.model] == "whisper":
        model = ctranslate2.models.Whisper(folder, **options)
        features = ctranslate2.StorageView.from_array(case.inputs["input_features"])

        def run():
            last[:] = [model.encode(features, to_cpu=True)]

    else:
        model = ctranslate2.Encoder(folder, **options)
        ids = case.inputs["input_ids"].tolist()

        def run():
            last[:] = [model.forward_batch(ids).last_hidden_state]

    return run, lambda: [np.array(view) for view in last]
