"""What parts words before byte pairs are joined: the steps and expressions of published tokenizers, and
the lines of make_goldens.py that hold what the tokenizers library makes of them.
"""

import json

import tokenizers

LLAMA3_WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
                r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2_WORDS = LLAMA3_WORDS.replace("{1,3}", "")
LETTERS = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+SUFFIX|"
           r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*SUFFIX|")
AFTER_LETTERS = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K_WORDS = LETTERS.replace("SUFFIX", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?") + r"\p{N}{1,3}" + AFTER_LETTERS
TEKKEN_WORDS = LETTERS.replace("SUFFIX", "") + r"\p{N}" + AFTER_LETTERS
TIKTOKEN_WORDS = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|"
                  r"\s*[\r\n]|\s+(?!\S)|\s+")
GPT2_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PARTED = ["!a!!b ! c?!", "aab ab abab aaaa", "1a22\u00b2b\u0664 \u2167 3", "iPhone XMLHttp HTTPs'LL McDonald'S", "a/b//\n/\r\nc /\n",
          "\u01c5\u01c6 \u02b0A\u00aa \u0301a A\u0301b \u4f60\u597dThe \u0915\u093f", "(\u201cx\u201d), \u3001\u3002 <=> $5 \u00a35", "  a  1  !  ",
          "the end's 12345!! HELLO\n\n"]


def token_hash(ids):
    seed = 2166136261
    for token in ids:
        seed = (seed ^ token) * 16777619 & 0xFFFFFFFF
    return seed


def word_steps():
    """What parts words before byte pairs are joined, and whether words that are pieces stay whole."""
    before = tokenizers.pre_tokenizers
    bytes_only, gpt2_words = (before.ByteLevel(add_prefix_space=False, use_regex=own) for own in (False, True))
    yield [], bytes_only, False
    for rule in (GPT2_WORDS, LLAMA3_WORDS, TIKTOKEN_WORDS, QWEN2_WORDS, O200K_WORDS, TEKKEN_WORDS):
        yield [before.Split(tokenizers.Regex(rule), "isolated")], bytes_only, False
    yield [before.Split(tokenizers.Regex(O200K_WORDS), "isolated")], bytes_only, True
    yield [before.Split(tokenizers.Regex(TIKTOKEN_WORDS), "removed", invert=True)], bytes_only, False
    for behavior in ("removed", "isolated", "contiguous", "merged_with_previous", "merged_with_next"):
        yield [before.Punctuation(behavior)], bytes_only, False
        yield [before.Split("ab", behavior)], bytes_only, False
        yield [before.Split(" ", behavior)], gpt2_words, False
        yield [before.Split(tokenizers.Regex(r"\p{N}"), behavior)], gpt2_words, False
    yield [before.Digits(individual_digits=True)], gpt2_words, False  # SmolLM's, StarCoder's
    yield [before.Digits(individual_digits=False)], bytes_only, False
    yield [before.Split("\n", "isolated"), before.Digits(True), before.Punctuation("contiguous"),
           before.Split("a", "merged_with_next")], gpt2_words, False


def word_lines(tokenizer, texts):
    for steps, last, whole in word_steps():
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([*steps, last])
        tokenizer.model.ignore_merges = whole
        before = json.dumps(json.loads(tokenizer.to_str())["pre_tokenizer"], separators=(",", ":"))
        hashes = " ".join(str(token_hash(tokenizer.encode(text).ids)) for text in texts)
        yield f"words {int(whole)} " + before.replace(" ", "\\u0020") + " " + hashes
