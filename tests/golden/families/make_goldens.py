#!/usr/bin/env python3
"""Writes <case>.txt beside itself: tiny checkpoints whose weights come from a formula, and what
transformers makes of an input. tests/support/family_golden.h reads them and makes the same weights.

    make_goldens.py [case ..]      # all without an argument; needs torch, transformers and sentencepiece

A file's lines:
    file NAME TEXT                 # a file of the checkpoint's folder, JSON on one line
    tensor NAME SHAPE              # weights by the formula below; SHAPE is like 64x32
    dim NAME SIZE                  # for --dim
    input NAME TYPE SHAPE VALUES   # TYPE i64: numbers; f32: the word formula
    output NAME SHAPE VALUES
    layer NAME SHAPE STEP VALUES   # what a part of the model gives: every STEP-th element
    text TEXT IDS                  # TEXT as a JSON string; IDS: its tokens by the folder's tokenizer
    long ALPHABET LENGTH COUNT HASH  # a text of characters that the formula draws; how many tokens, and their hash
    words WHOLE PRE HASHES         # with PRE, JSON without a space, as the pre_tokenizer and WHOLE as ignore_merges: of
                                   # each text above the hash of its tokens
    steps IDS                      # tokens of a decoder; the output has the first logits after each
"""
import collections
import io
import json
import pathlib
import sys
import tempfile

import numpy as np
import sentencepiece
import sentencepiece.sentencepiece_model_pb2
import tokenizers
import torch
import transformers
from safetensors.numpy import load_file, save_file

from word_goldens import LLAMA3_WORDS, PARTED, QWEN2_WORDS, token_hash, word_lines

HERE = pathlib.Path(__file__).parent


def formula(name, shape):
    """Pseudo-random numbers in [-1, 1) from a name and an index: FNV-1a, then a finaliser."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    count = int(np.prod(shape)) if len(shape) else 1
    h = (np.uint32(seed) ^ (np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    v = (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0 ** -23) - np.float32(1)
    return v.reshape(shape)


def weight(name, shape):
    """Matrices spread their input's size; one-dimensional weights and variances are about 1."""
    v = formula(name, shape)
    if len(shape) >= 2:
        return v * np.float32(0.125)
    return v * np.float32(0.25) + np.float32(name.endswith(("weight", "running_var")))


def numbers(values):
    return " ".join(f"{float(v):.8g}" for v in np.asarray(values).ravel())


def shape_text(shape):
    return "x".join(str(d) for d in shape) if len(shape) else "scalar"


TEXTS = ["the quick brown fox", "", " ", "Hello, World!", "don't we'll I've", "a  b   c ",
         "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m", "\u4f60\u597d world", "x\ty\n\nz", "12345 3.14",
         "\u0130stanbul \ud55c\uad6d", "emoji \U0001f600!", "under_score (brackets) x_1",
         "\u00a0nbsp\u200bzero", "ALLCAPS mixedCase", "-- .. ??", "unquestionably antidisestablish", "WE'LL it'S",
         "1234567 89", "one\n \n  two\r\n", "(x)==[y]!\n\n", "e\u0301t\u00e9 \ufb01x \uff21\u2026 tab\tx"]
DECOMPOSED = ["a\u0323\u0302 a\u0302\u0323 o\u031b\u0301", "\u1112\u1161\u11ab\u1100\u1173\u11af \uac00\u11a8",
              "\u212b \u2126 \u1e9b\u0323", "\u0915\u093c \u0958", "\u09c7\u09be \U000110a5\U000110ba", "\u0344\u0301",
              "x" * 40 + "e\u0301" * 20, "\u0301 e", "\u2f91f"]
CORPUS = ["the quick brown fox jumps over the lazy dog", "we don't know what they'll say",
          "hello world, hello again", "12 3.14 2024", "caf\u00e9 \u4f60\u597d", "a b c d e f"] * 3


WORDS = ["HELLO World's end", "1234567 or 89", "x = y + z; // {code}", "one\n\ntwo\r\n\tthree"]


NORMALISED = ["``tex'' '''' `' \"x\"", "\uff07\uff07 \u1fef\u1fef", " \t lead", "trail \u00a0\u3000", "a\u2581b \u2581\u2581c",
              "E\u0301T\u00c9 \u212b \u1e9e \u01c5", "\u00bd \u33a5 \U0001d400 \ufdfa", "A\u200d \u00c9\u200c",
              "\u1112\u1161\u11ab \uac01", "\u0915\u093c\u093e \u0e33", "a\r\nb \r\n\u0301", "\u0600e\u0301 e\u0301\u0301\u0301",
              "\u0085a\u0085 b\u0085", "the" * 500]


# Words of pairs, longer than what is joined at once.
LONG = [("abcdefghijklmnopqrstuvwxyz", 5000), ("thequickbrownfoxhello://.?=&%0123456789", 3000),
        ("caf\u00e9\u4f60\u597d\u4e16\u754c", 6000), ("aab", 4096), ("a", 9000), ("-", 9000), (" ", 9000),
        ("e\u0301\u0323o", 9000)]


def long_lines(tokenizer):
    for alphabet, length in LONG:
        drawn = (formula(alphabet, (length,)) + np.float32(1)) / np.float32(2) * np.float32(len(alphabet))
        text = "".join(alphabet[min(int(at), len(alphabet) - 1)] for at in drawn)
        ids = tokenizer.encode(text, add_special_tokens=True).ids
        yield f"long {json.dumps(alphabet)} {length} {len(ids)} {token_hash(ids)}"


def token_lines(tokenizer, more_texts=()):
    lines = []
    composes = type(tokenizer.normalizer) is tokenizers.normalizers.NFC
    staged = (type(tokenizer.normalizer) is tokenizers.normalizers.Sequence
              and type(tokenizer.model) is tokenizers.models.Unigram)
    for text in TEXTS + list(more_texts) + (DECOMPOSED if composes or staged else []) + (NORMALISED if staged else []):
        ids = tokenizer.encode(text, add_special_tokens=True).ids
        lines.append(" ".join(["text", json.dumps(text), *map(str, ids)]))
    if type(tokenizer.model) is tokenizers.models.BPE:
        lines += long_lines(tokenizer)
    return lines


def word_pieces(vocabulary):
    """BERT's tokenizer with the commonest parts of a few words (its trainer breaks ties by chance)."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    plain = tokenizers.BertWordPieceTokenizer(lowercase=True)
    counts = collections.Counter()
    for line in CORPUS:
        for word, _ in plain.pre_tokenizer.pre_tokenize_str(plain.normalizer.normalize_str(line)):
            for i in range(len(word)):
                for j in range(i + 1, len(word) + 1):
                    counts["##" * (i > 0) + word[i:j]] += 1
    # All characters, then what is common and long.
    letters = sorted(p for p in counts if len(p.removeprefix("##")) == 1)
    rest = sorted((p for p in counts if p not in letters),
                  key=lambda p: (-counts[p], -len(p.removeprefix("##")), p))
    pieces = (special + letters + rest)[:vocabulary]
    made = tokenizers.BertWordPieceTokenizer(
        vocab={piece: i for i, piece in enumerate(pieces)}, lowercase=True)
    cls, sep = made.token_to_id("[CLS]"), made.token_to_id("[SEP]")
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    return made


def byte_pairs(vocabulary):
    """GPT-2's."""
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(CORPUS, vocab_size=vocabulary, min_frequency=1, show_progress=False,
                             special_tokens=["<|endoftext|>"])
    return made


def spaced_pairs(vocabulary):
    """Llama's: spaces belong to words, unknown characters are bytes."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=True, unk_token="<unk>"))
    normalizers = tokenizers.normalizers
    made.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"),
                                            normalizers.Replace(" ", "\u2581")])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special,
                                             show_progress=False)
    made.train_from_iterator([w for line in CORPUS for w in line.split()], trainer)
    text = json.loads(made.to_str())
    text["added_tokens"] = text["added_tokens"][:3]  # bytes are no special tokens
    return tokenizers.Tokenizer.from_str(json.dumps(text))


def split_pairs(vocabulary, words, whole_words):
    """Llama 3's and Qwen 2's: bytes, within words of their own rule."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(ignore_merges=whole_words))
    before = tokenizers.pre_tokenizers
    made.pre_tokenizer = before.Sequence([
        before.Split(tokenizers.Regex(words), "isolated"),
        before.ByteLevel(add_prefix_space=False, use_regex=False)])
    if not whole_words:
        made.normalizer = tokenizers.normalizers.NFC()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=before.ByteLevel.alphabet())
    made.train_from_iterator(CORPUS + WORDS, trainer)
    return made


def scored_pieces(vocabulary, special=()):
    """T5's: pieces with scores, the normaliser of sentencepiece with a few rules."""
    rules = {"A": "a", "H": "h", "W": "w", "\ufb01": "fi", "e\u0301": "\u00e9", "\u00a0": " ",
             "\t": " ", "\n": " ", "\u200b": "", "\uff21": "A", "\u2026": "..."}
    with tempfile.TemporaryDirectory() as folder:
        tsv = pathlib.Path(folder, "rules.tsv")
        tsv.write_text("".join(
            " ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n"
            for a, b in rules.items()))
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS + WORDS), model_writer=model, vocab_size=vocabulary,
            model_type="unigram", normalization_rule_tsv=str(tsv), hard_vocab_limit=False,
            control_symbols=list(special), minloglevel=2)
    proto = sentencepiece.sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    made = tokenizers.Tokenizer(tokenizers.models.Unigram(
        [(p.piece, p.score) for p in proto.pieces], proto.trainer_spec.unk_id, False))
    made.normalizer = tokenizers.normalizers.Precompiled(
        proto.normalizer_spec.precompiled_charsmap)
    before = tokenizers.pre_tokenizers
    made.pre_tokenizer = before.Sequence([before.WhitespaceSplit(),
                                          before.Metaspace(prepend_scheme="always")])
    made.add_special_tokens(list(special))
    return made


def normalised(pieces, steps, around, white_space_parts):
    """The same with other steps, in which None stands for its own normaliser, and tokens around a text."""
    normal, before = tokenizers.normalizers, tokenizers.pre_tokenizers
    own = pieces.normalizer
    pieces.normalizer = normal.Sequence([own if step is None else step for step in steps])
    spaces = before.Metaspace(prepend_scheme="always")
    pieces.pre_tokenizer = before.Sequence([before.WhitespaceSplit()] * white_space_parts + [spaces])
    special = [piece for piece in around.split() if piece != "$A"]
    pieces.post_processor = tokenizers.processors.TemplateProcessing(
        single=around, special_tokens=[(piece, pieces.token_to_id(piece)) for piece in special])
    return pieces


QUOTES = [tokenizers.normalizers.Replace(quote, '"') for quote in ("``", "''")]


LAYER_VALUES = 32  # kept of each, about
LAYERS = ("Layer", "LayerStableLayerNorm", "Block", "Stage", "Embeddings", "FeatureProjection",
          "PositionalConvEmbedding", "InvertedResidual")
NO_LAYERS = ("PositionEmbeddings", "SamePadLayer")  # constants, and what a convolution makes too much


class Watch:
    """What the parts of a model that count as layers gave, in the order in which they ran."""

    def __init__(self, model, under):
        self.seen = []
        for name, part in model.named_modules():
            kind = type(part).__name__
            if kind.endswith(LAYERS) and not kind.endswith(NO_LAYERS) and name.startswith(under):
                part.register_forward_hook(
                    lambda _, __, given, name=name: self.see(name, given))

    def see(self, name, given):
        value = (given[0] if isinstance(given, tuple) else given).detach().clone()
        # A stage gives what its last layer gave.
        if not self.seen or not torch.equal(self.seen[-1][1], value):
            self.seen.append((name, value))

    def lines(self):
        for name, value in self.seen:
            flat = value.numpy().ravel()
            # A step that shares no factor with a dimension comes by every row and every column.
            step = next(s for s in range(max(1, len(flat) // LAYER_VALUES), len(flat) + 1)
                        if np.gcd(s, len(flat)) == 1)
            kept = " ".join(f"{v:.7g}" for v in flat[::step])
            yield f"layer {name} {shape_text(value.shape)} {step} {kept}"


def write(case, model, inputs, outputs, dims=None, files=None, tokenizer=None, steps=None,
          generate=None, layers_under="", more_texts=()):
    """inputs: name -> int64 array, or the shape of formula floats; outputs: name -> what the model's
    result is asked for; generate: model -> more outputs, lists of tokens; layers_under: values are
    kept of the layers whose names begin so, or of none (None, and always of decoders)."""
    # Names and shapes as save_pretrained writes them: those of published files.
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        model.save_pretrained(folder)
        config = json.loads((path / "config.json").read_text())
        shapes = {n: v.shape for n, v in load_file(path / "model.safetensors").items()}
        # Counters of batches are nobody's weights.
        weights = {n: weight(n, shape) for n, shape in shapes.items() if len(shape)}
        save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
        model = type(model).from_pretrained(folder).eval()
    lines = [f"file config.json {json.dumps(config, sort_keys=True)}"]
    lines += [f"file {name} {json.dumps(text)}" for name, text in (files or {}).items()]
    lines += [f"tensor {name} {shape_text(v.shape)}" for name, v in sorted(weights.items())]
    lines += [f"dim {name} {size}" for name, size in (dims or {}).items()]
    if tokenizer is not None:
        lines.append(f"file tokenizer.json {json.dumps(json.loads(tokenizer.to_str()))}")
        lines += token_lines(tokenizer, more_texts)
    if steps is not None:
        lines.append("steps " + " ".join(map(str, steps)))
        inputs = {"input_ids": np.asarray(steps, np.int64)[None]}
    given = {}
    for name, value in inputs.items():
        if isinstance(value, np.ndarray):
            if steps is None:
                lines.append(f"input {name} i64 {shape_text(value.shape)} "
                             + " ".join(str(v) for v in value.ravel()))
            given[name] = torch.from_numpy(value)
        else:
            lines.append(f"input {name} f32 {shape_text(value)} formula")
            given[name] = torch.from_numpy(formula(name, value).copy())
    watched = layers_under is not None and steps is None
    watch = Watch(model, layers_under) if watched else None
    with torch.no_grad():
        result = model(**given)
    lines += watch.lines() if watch else []
    for name, read in outputs.items():
        value = read(result, given).float().numpy()
        lines.append(f"output {name} {shape_text(value.shape)} {numbers(value)}")
    for name, tokens in (generate(model) if generate else {}).items():
        lines.append(f"output {name} {len(tokens)} {numbers(tokens)}")
    (HERE / f"{case}.txt").write_text("\n".join(lines) + "\n")
    print(case, "written")


def token_inputs(length, held, vocabulary):
    ids = (np.arange(length, dtype=np.int64) * 37 + 11) % vocabulary
    mask = (np.arange(length) < held).astype(np.int64)
    return {"input_ids": (ids * mask)[None], "attention_mask": mask[None]}


def bert():
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        vocab_size=60, max_position_embeddings=24, num_labels=3)
    inputs = token_inputs(16, 11, 60)
    inputs["token_type_ids"] = (np.arange(16, dtype=np.int64) // 6 % 2)[None]
    write("bert", transformers.BertForSequenceClassification(config), inputs,
          {"logits": lambda r, g: r.logits}, {"sequence_length": 16})


def sentence():
    pieces = word_pieces(120)
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        vocab_size=pieces.get_vocab_size(), max_position_embeddings=24)

    def embedding(result, given):
        mask = given["attention_mask"][..., None].float()
        mean = (result.last_hidden_state * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=1)
    write("sentence", transformers.BertModel(config), token_inputs(16, 11, 60),
          {"sentence_embedding": embedding}, {"sequence_length": 16},
          {"modules.json": [{"type": "sentence_transformers.models.Transformer"},
                            {"type": "sentence_transformers.models.Pooling"},
                            {"type": "sentence_transformers.models.Normalize"}],
           "1_Pooling/config.json": {"pooling_mode_mean_tokens": True}}, pieces)


def distilbert():
    config = transformers.DistilBertConfig(
        dim=32, hidden_dim=64, n_layers=2, n_heads=4, vocab_size=60, max_position_embeddings=24)
    write("distilbert", transformers.DistilBertForSequenceClassification(config),
          token_inputs(16, 11, 60), {"logits": lambda r, g: r.logits}, {"sequence_length": 16})


def roberta():
    config = transformers.RobertaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        vocab_size=60, max_position_embeddings=24, type_vocab_size=1, num_labels=3, pad_token_id=1)
    inputs = token_inputs(16, 11, 60)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    inputs["input_ids"] = np.where(mask == 1, np.where(ids == 1, 5, ids), 1)
    write("roberta", transformers.RobertaForSequenceClassification(config), inputs,
          {"logits": lambda r, g: r.logits}, {"sequence_length": 16},
          layers_under=None)  # padding, which nobody reads, has the padding's position there


def vit():
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        image_size=24, patch_size=8, num_labels=4)
    write("vit", transformers.ViTForImageClassification(config), {"pixel_values": (1, 3, 24, 24)},
          {"logits": lambda r, g: r.logits}, files={"preprocessor_config.json": {
              "size": {"height": 24, "width": 24}, "image_mean": [0.5, 0.5, 0.5],
              "image_std": [0.5, 0.5, 0.5]}})


def deit():
    config = transformers.DeiTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        image_size=24, patch_size=8, num_labels=4)
    write("deit", transformers.DeiTForImageClassificationWithTeacher(config),
          {"pixel_values": (1, 3, 24, 24)}, {"logits": lambda r, g: r.logits})


def decoder(case, config_class, model_class, tokenizer, **more):
    config = config_class(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=32,
        bos_token_id=1, eos_token_id=2, **more)
    steps = [(7 * i * i + 3 * i + 1) % config.vocab_size for i in range(19)]
    write(case, model_class(config), {}, {"logits": lambda r, g: r.logits[0, :, :24]},
          {"context_length": 24, "prompt_chunk": 5}, tokenizer=tokenizer, steps=steps)


def llama():
    decoder("llama", transformers.LlamaConfig, transformers.LlamaForCausalLM, spaced_pairs(300),
            tie_word_embeddings=True, rope_parameters={
                "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 16})


def qwen2():
    decoder("qwen2", transformers.Qwen2Config, transformers.Qwen2ForCausalLM,
            split_pairs(320, QWEN2_WORDS, False))


def mistral():
    """Each token sees seven, which is fewer than the steps and more than a chunk of the prompt."""
    decoder("mistral", transformers.MistralConfig, transformers.MistralForCausalLM,
            spaced_pairs(300), sliding_window=7)


def llama3():
    """As tokenizers go; the layers are llama's."""
    decoder("llama3", transformers.LlamaConfig, transformers.LlamaForCausalLM,
            split_pairs(320, LLAMA3_WORDS, True), tie_word_embeddings=True)


def unigram():
    """A tokenizer; the layers are roberta's."""
    pieces = scored_pieces(120)
    config = transformers.RobertaConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32,
        vocab_size=pieces.get_vocab_size(), max_position_embeddings=80, type_vocab_size=1,
        num_labels=3, pad_token_id=1)
    inputs = token_inputs(64, 64, 60)
    inputs["input_ids"] = np.maximum(inputs["input_ids"], 2)
    write("unigram", transformers.RobertaForSequenceClassification(config), inputs,
          {"logits": lambda r, g: r.logits}, {"sequence_length": 64}, tokenizer=pieces)


def texts_only(case, pieces):
    """A tokenizer; the layers are roberta's."""
    config = transformers.RobertaConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        vocab_size=pieces.get_vocab_size(), max_position_embeddings=20, type_vocab_size=1,
        pad_token_id=1)
    inputs = token_inputs(8, 8, 60)
    inputs["input_ids"] = np.maximum(inputs["input_ids"], 2)
    write(case, transformers.RobertaModel(config, add_pooling_layer=False), inputs,
          {"last_hidden_state": lambda r, g: r.last_hidden_state}, {"sequence_length": 8},
          tokenizer=pieces)


def albert():
    """Two layers, each of them twice; the tokenizer of its uncased checkpoints."""
    normal = tokenizers.normalizers
    pieces = normalised(scored_pieces(120, ["[CLS]", "[SEP]"]),
                        QUOTES + [normal.NFKD(), normal.StripAccents(), normal.Lowercase(), None],
                        "[CLS] $A [SEP]", white_space_parts=True)
    config = transformers.AlbertConfig(
        hidden_size=32, embedding_size=16, num_hidden_layers=4, num_hidden_groups=2,
        num_attention_heads=4, intermediate_size=64, vocab_size=pieces.get_vocab_size(),
        max_position_embeddings=24, num_labels=3)
    inputs = token_inputs(16, 11, 60)
    inputs["token_type_ids"] = (np.arange(16, dtype=np.int64) // 6 % 2)[None]
    write("albert", transformers.AlbertForSequenceClassification(config), inputs,
          {"logits": lambda r, g: r.logits}, {"sequence_length": 16}, tokenizer=pieces)


def xlnet_texts():
    """XLNet's with accents kept: spaces in a row are one, and the tokens come behind the text."""
    normal = tokenizers.normalizers
    steps = QUOTES + [normal.Lowercase(), None, normal.Replace(tokenizers.Regex(" {2,}"), " ")]
    texts_only("xlnet_texts", normalised(scored_pieces(120, ["<sep>", "<cls>"]), steps,
                                         "$A <sep> <cls>", white_space_parts=False))


def deberta_texts():
    """DeBERTa's, which trims first, then NFKC, sentencepiece's own table and what converters add."""
    normal = tokenizers.normalizers
    steps = [normal.Strip(), normal.Nmt(), normal.NFKC(), None, normal.Strip(left=False),
             normal.Replace(tokenizers.Regex(" {2,}"), "\u2581")]
    texts_only("deberta_texts", normalised(scored_pieces(120, ["[CLS]", "[SEP]"]), steps,
                                           "[CLS] $A [SEP]", white_space_parts=False))


def spaces():
    """Spaces as newer Llamas have them: none is put before a text that begins with one."""
    pieces = spaced_pairs(300)
    pieces.normalizer = tokenizers.normalizers.Replace(" ", "\u2581")
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    decoder("spaces", transformers.LlamaConfig, transformers.LlamaForCausalLM, pieces,
            tie_word_embeddings=True)


def gpt2():
    pieces = byte_pairs(280)
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, n_positions=32, vocab_size=pieces.get_vocab_size(),
        bos_token_id=0, eos_token_id=0)
    steps = [(7 * i * i + 3 * i + 1) % config.vocab_size for i in range(19)]
    write("gpt2", transformers.GPT2LMHeadModel(config), {},
          {"logits": lambda r, g: r.logits[0, :, :24]}, {"context_length": 24, "prompt_chunk": 5},
          tokenizer=pieces, steps=steps)


def words():
    """Pairs that reach over all that may part words."""
    pieces = tokenizers.Tokenizer(tokenizers.models.BPE())
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pieces.train_from_iterator(CORPUS + WORDS + PARTED * 3 + TEXTS, tokenizers.trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    config = transformers.GPT2Config(
        n_embd=16, n_layer=1, n_head=1, n_positions=32, vocab_size=pieces.get_vocab_size(),
        bos_token_id=0, eos_token_id=0)
    write("words", transformers.GPT2LMHeadModel(config), {},
          {"logits": lambda r, g: r.logits[0, :, :24]}, {"context_length": 8}, tokenizer=pieces, steps=[1],
          more_texts=PARTED)
    with open(HERE / "words.txt", "a") as file:
        file.writelines(line + "\n" for line in word_lines(pieces, TEXTS + PARTED))


def whisper_checkpoint(positions):
    """Tokens: 60 pieces, the end, the start, three languages, translate, transcribe, previous, no
    speech, no timestamps, 101 timestamps. Gives the config, that of generation and the tokenizer."""
    config = transformers.WhisperConfig(
        d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48, vocab_size=171,
        num_mel_bins=8, max_source_positions=100, max_target_positions=positions, pad_token_id=60,
        bos_token_id=60, eos_token_id=60, decoder_start_token_id=61, suppress_tokens=[],
        begin_suppress_tokens=[])
    generation = transformers.GenerationConfig(
        pad_token_id=60, bos_token_id=60, eos_token_id=60, decoder_start_token_id=61,
        max_length=positions, suppress_tokens=[3, 5, 61, 62, 63, 64, 65, 66, 67, 68],
        begin_suppress_tokens=[7, 60], no_timestamps_token_id=69,
        lang_to_id={"<|en|>": 62, "<|de|>": 63, "<|fr|>": 64},
        task_to_id={"translate": 65, "transcribe": 66}, prev_sot_token_id=67, is_multilingual=True,
        max_initial_timestamp_index=50, alignment_heads=[[1, 0], [1, 1]])
    letters = [chr(ord("a") + i) for i in range(26)] + list("0123")
    spaced = ["\u0120" + c for c in letters[:-1]]
    vocabulary = {piece: i for i, piece in enumerate(letters + spaced + ["\u0120"])}
    pieces = tokenizers.Tokenizer(tokenizers.models.BPE(
        vocab=vocabulary, merges=[("\u0120", c) for c in letters[:-1]]))
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = tokenizers.decoders.ByteLevel()
    return config, generation, pieces


WHISPER_FRONTEND = {"feature_size": 8, "chunk_length": 2}


def whisper():
    """A sound of two seconds, and what is written down of it."""
    config, generation, pieces = whisper_checkpoint(24)
    said = [61] + [(7 * i * i + 3 * i + 1) % 60 for i in range(11)]

    def generate(model):
        model.generation_config = generation
        frontend = transformers.WhisperFeatureExtractor(**WHISPER_FRONTEND)
        sound = formula("sound", (32000,)) * np.float32(0.1)
        mel = frontend(sound, sampling_rate=16000, return_tensors="pt").input_features
        written = {}
        for name, options in {"written": {"language": "de"}, "heard": {},
                              "timed": {"language": "de", "return_timestamps": True}}.items():
            made = model.generate(mel, task="transcribe", num_beams=1, do_sample=False, **options)
            made = made["sequences"] if isinstance(made, dict) else made
            written[name] = made[0].tolist()
        return written

    write("whisper", transformers.WhisperForConditionalGeneration(config),
          {"input_features": (1, 8, 200), "decoder_input_ids": np.asarray(said, np.int64)[None]},
          {"logits": lambda r, g: r.logits[0],
           "hidden": lambda r, g: r.encoder_last_hidden_state[0, ::10]},
          files={"generation_config.json": generation.to_dict(),
                 "tokenizer.json": json.loads(pieces.to_str())}, generate=generate,
          layers_under="model.encoder.")


def long_speech(model, frontend, sound, **options):
    """The tokens of a sound of many windows, by transformers' generation for such, but that each
    window is heard for itself: transformers cuts windows out of the whole sound's frames."""
    hop = frontend.hop_length

    def segment(input_features, seek, seek_num_frames, num_segment_frames, cur_bsz, batch_idx_map):
        begin = int(seek[0]) * hop
        heard = sound[begin:begin + int(seek_num_frames[0]) * hop]
        return frontend(heard, sampling_rate=16000, return_tensors="pt").input_features

    given = frontend(sound, sampling_rate=16000, return_tensors="pt", truncation=False,
                     padding="longest", return_attention_mask=True)
    model._get_input_segment = segment
    made = model.generate(
        given.input_features, attention_mask=given.attention_mask, task="transcribe", num_beams=1,
        do_sample=False, return_timestamps=True, return_segments=True, **options)
    # Segments without text are dropped, as the original does; a window's last one carries the begin
    # of what is heard once more.
    said = [s["tokens"].tolist() for s in made["segments"][0] if min(s["tokens"]) < 60]
    return [t for s in said for t in (s[:-1] if len(s) > 2 and min(s[-2:]) > 69 else s)]


def whisper_long():
    """Six seconds in windows of two, each of which says 20 tokens at most: with the text of the last
    windows before it (3.8 seconds: transformers keeps what is no text, as heed does not), each for
    itself, and with a text that the user gives."""
    config, generation, pieces = whisper_checkpoint(64)

    def generate(model):
        model.generation_config = generation
        frontend = transformers.WhisperFeatureExtractor(**WHISPER_FRONTEND)
        sound = formula("sound", (6 * 16000,)) * np.float32(0.1)
        prompt = torch.tensor([67] + pieces.encode(" the quick fox").ids)
        common = {"language": "en", "max_new_tokens": 20}
        return {name: long_speech(model, frontend, sound[:samples], **common, **options)
                for name, samples, options in [
                    ("connected", 60800, {"condition_on_prev_tokens": True}),
                    ("alone", 96000, {"condition_on_prev_tokens": False}),
                    ("prompted", 96000, {"condition_on_prev_tokens": True, "prompt_ids": prompt})]}

    write("whisper_long", transformers.WhisperForConditionalGeneration(config),
          {"input_features": (1, 8, 200), "decoder_input_ids": np.asarray([[61]], np.int64)},
          {"logits": lambda r, g: r.logits[0]},
          files={"generation_config.json": generation.to_dict(),
                 "tokenizer.json": json.loads(pieces.to_str())}, generate=generate,
          layers_under=None)


def segformer():
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4],
        sr_ratios=[4, 2, 2, 1], decoder_hidden_size=16, num_labels=5)
    write("segformer", transformers.SegformerForSemanticSegmentation(config),
          {"pixel_values": (1, 3, 64, 32)}, {"logits": lambda r, g: r.logits},
          {"height": 64, "width": 32})


def yolos():
    config = transformers.YolosConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        image_size=[32, 24], patch_size=8, num_detection_tokens=6, num_labels=3)
    write("yolos", transformers.YolosForObjectDetection(config), {"pixel_values": (1, 3, 32, 24)},
          {"logits": lambda r, g: r.logits, "pred_boxes": lambda r, g: r.pred_boxes})


def detr(case="detr", kind="basic"):
    resnet = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 32], depths=[1, 2, 1, 1], layer_type=kind,
        out_features=["stage4"])
    config = transformers.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
        backbone_config=resnet, d_model=16, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, num_queries=6, num_labels=3)
    write(case, transformers.DetrForObjectDetection(config), {"pixel_values": (1, 3, 64, 96)},
          {"logits": lambda r, g: r.logits, "pred_boxes": lambda r, g: r.pred_boxes},
          {"height": 64, "width": 96})


def detr_bottleneck():
    detr("detr_bottleneck", "bottleneck")


def mobilevit():
    config = transformers.MobileViTConfig(
        image_size=64, hidden_sizes=[16, 24, 32], num_attention_heads=2,
        neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 32], expand_ratio=2.0, num_labels=5)
    write("mobilevit", transformers.MobileViTForImageClassification(config),
          {"pixel_values": (1, 3, 64, 64)}, {"logits": lambda r, g: r.logits},
          files={"preprocessor_config.json": {
              "size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64},
              "do_center_crop": True, "do_flip_channel_order": True}})


def wav2vec2(case="wav2vec2", family="Wav2Vec2", samples=1200, layers_under="", **variant):
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefg"]
    sizes = dict(conv_dim=[16, 16, 16], conv_kernel=[10, 3, 2], conv_stride=[5, 2, 2])
    config = getattr(transformers, family + "Config")(
        vocab_size=12, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4,
        pad_token_id=0, **(sizes | variant))
    write(case, getattr(transformers, family + "ForCTC")(config), {"input_values": (1, samples)},
          {"logits": lambda r, g: r.logits}, {"samples": samples},
          {"vocab.json": {letter: i for i, letter in enumerate(letters)}},
          layers_under=layers_under)


def wav2vec2_stable():
    wav2vec2("wav2vec2_stable", feat_extract_norm="layer", do_stable_layer_norm=True,
             conv_bias=True)


def wav2vec2_conformer(kind="relative"):
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefg"]
    config = transformers.Wav2Vec2ConformerConfig(
        vocab_size=12, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, conv_dim=[16, 16, 16], conv_kernel=[10, 3, 2], conv_stride=[5, 2, 2],
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, pad_token_id=0, conv_bias=True,
        feat_extract_norm="layer", hidden_act="swish", conv_depthwise_kernel_size=7,
        position_embeddings_type=kind)
    write("wav2vec2_conformer_" + kind, transformers.Wav2Vec2ConformerForCTC(config),
          {"input_values": (1, 800)}, {"logits": lambda r, g: r.logits}, {"samples": 800},
          {"vocab.json": {letter: i for i, letter in enumerate(letters)}})


def wav2vec2_conformer_rotary():
    wav2vec2_conformer("rotary")


def parakeet():
    """41 of 48 frames are there; of what is made of the others nothing is asked."""
    encoder = transformers.ParakeetEncoderConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        conv_kernel_size=5, subsampling_factor=4, subsampling_conv_channels=8, num_mel_bins=16)
    config = transformers.ParakeetCTCConfig(vocab_size=30, pad_token_id=29, encoder_config=encoder)
    pieces = tokenizers.Tokenizer(tokenizers.models.BPE(
        vocab={piece: i for i, piece in enumerate(
            ["<unk>", *"abcdefghi", "\u2581", *("\u2581" + c for c in "abcdefghi"), "ab", "\u2581ab"])},
        merges=[("a", "b"), ("\u2581a", "b")], unk_token="<unk>"))
    pieces.add_special_tokens(["<unk>"])

    sizes = {"feature_size": 16, "sampling_rate": 1600, "hop_length": 16, "win_length": 40, "n_fft": 64}

    def hear(model):
        sound = formula("sound", (663,)) * np.float32(0.1)
        frontend = transformers.ParakeetFeatureExtractor(**sizes)
        given = frontend(sound, sampling_rate=1600, return_tensors="pt")
        with torch.no_grad():
            logits = model(**given).logits[0, :11]
        said = [int(t) for t in torch.unique_consecutive(logits.argmax(-1)) if t != 29]
        return {"features": given.input_features[0, :41].ravel().tolist(), "said": said,
                "scores": logits.log_softmax(-1).ravel().tolist(),
                "long": hear_in_windows(model, frontend).ravel().tolist()}

    def hear_in_windows(model, frontend):
        """Of 2500 samples, in windows of 48 frames that overlap by 3 rows of scores at each end."""
        sound = formula("sound", (2500,)) * np.float32(0.1)
        features = frontend(sound, sampling_rate=1600, return_tensors="pt").input_features[0, :156]
        rows, done = [], 0
        while done < 39:
            first = done - min(done, 3)
            window = torch.zeros(1, 48, 16)
            there = features[4 * first:4 * first + 48]
            window[0, :len(there)] = there
            with torch.no_grad():
                logits = model(input_features=window,
                               attention_mask=(torch.arange(48) < len(there))[None]).logits[0]
            end = 39 if 2500 - 64 * first <= 768 else first + 12 - 3
            rows.append(logits[done - first:end - first].log_softmax(-1))
            done = end
        return torch.cat(rows)
    write("parakeet", transformers.ParakeetForCTC(config),
          {"input_features": (1, 48, 16), "attention_mask": (np.arange(48) < 41).astype(np.int64)[None]},
          {"logits": lambda r, g: r.logits[:, :11]}, {"frames": 48},
          {"preprocessor_config.json": sizes, "tokenizer.json": json.loads(pieces.to_str())},
          generate=hear, layers_under=None)


def wav2vec2_long():
    """So long that the first convolutions run in pieces."""
    wav2vec2("wav2vec2_long", samples=50000, layers_under="wav2vec2.encoder.", conv_dim=[16] * 7,
             conv_kernel=[10, 3, 3, 3, 3, 2, 2], conv_stride=[5, 2, 2, 2, 2, 2, 2])


def hubert():
    wav2vec2("hubert", "Hubert", conv_bias=True)


CASES = [bert, sentence, distilbert, roberta, vit, deit, llama, llama3, mistral, qwen2, gpt2,
         unigram, albert, xlnet_texts, deberta_texts, spaces, words, whisper, whisper_long, segformer,
         yolos, detr, detr_bottleneck, mobilevit, wav2vec2, wav2vec2_stable, wav2vec2_long,
         hubert, wav2vec2_conformer, wav2vec2_conformer_rotary, parakeet]

if __name__ == "__main__":
    wanted = set(sys.argv[1:])
    for make in CASES:
        if not wanted or make.__name__ in wanted:
            make()
