#!/usr/bin/env python3
"""Writes unicode_classes.cpp and unicode_folds.cpp beside itself from Python's unicodedata: which characters are letters,
numbers, punctuation or marks, what joins them, and what each becomes in lower case without accents; and into ../families
what the tokenizers library makes of characters: canonical_pairs.cpp, compatible_parts.cpp, accents_and_cases.cpp."""
import pathlib
import struct
import sys
import unicodedata

import tokenizers

HANGUL = range(0xAC00, 0xD7A4)  # taken apart by arithmetic


RANGE_MAX = 2048  # characters that one CodeRange holds


def ranges(wanted):
    return ranges_of(lambda code: wanted(unicodedata.category(chr(code))))


def ranges_of(wanted):
    found, first = [], None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and wanted(code)
        if inside and first is None:
            first = code
        if not inside and first is not None:
            found += [(begin, min(code - begin, RANGE_MAX) - 1) for begin in range(first, code, RANGE_MAX)]
            first = None
    return found


def folded(code):
    plain = "".join(c for c in unicodedata.normalize("NFD", chr(code))
                    if unicodedata.category(c) != "Mn")
    return "".join(c.lower() for c in plain)


def folds():
    """Runs of single characters with one difference (first, last, stride, difference), and the rest
    as (code, up to three characters)."""
    runs, rest = [], []
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000 or code in HANGUL:
            continue
        if unicodedata.category(chr(code)) == "Mn":
            continue  # the other table has them
        to = [ord(c) for c in folded(code)]
        if to == [code]:
            continue
        if len(to) != 1:
            assert len(to) <= 3, hex(code)
            rest.append((code, to + [0] * (3 - len(to))))
            continue
        difference = to[0] - code
        last = runs[-1] if runs else None
        if last and last[3] == difference and code - last[1] in (1, 2) and (
                last[2] in (0, code - last[1])):
            last[1], last[2] = code, code - last[1]
        else:
            runs.append([code, code, 0, difference])
    pairs = []
    for first, last, stride, difference in runs:
        if last - first >= 4:
            continue
        pairs += [(c, c + difference) for c in range(first, last + 1, max(stride, 1))]
    return [(a, b, max(s, 1), d) for a, b, s, d in runs if b - a >= 4], pairs, rest


JOINING_STARTER = 0xFE  # models/text/compose.h


def canonical():
    """Pairs (code, first, second), the numbers of those that are composed in the order of (first, second),
    and ranges of one combining class: of the characters that the tokenizers library knows, whose Unicode
    is older than Python's."""
    apart, together = tokenizers.normalizers.NFD().normalize_str, tokenizers.normalizers.NFC().normalize_str
    characters = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    pairs = []
    for code in characters:
        parts = unicodedata.decomposition(chr(code)).split()
        if parts and parts[0][0] != "<" and apart(chr(code)) != chr(code):
            pairs.append([code] + [int(p, 16) for p in parts] + [0] * (2 - len(parts)))
    composed = [i for i, (code, *_) in enumerate(pairs) if pairs[i][2]
                and unicodedata.normalize("NFC", unicodedata.normalize("NFD", chr(code))) == chr(code)]
    composed.sort(key=lambda i: pairs[i][1:])
    seconds = {pairs[i][2] for i in composed}
    classes = []

    def known(mark):
        """Whether it changes places with one of another class."""
        low, high = "\u0334", "\u0345"  # 1, 240
        return low in together(mark + low)[:1] or high in together(high + mark)[1:]
    for code in characters:
        order = unicodedata.combining(chr(code))
        order = order if order and known(chr(code)) else JOINING_STARTER if code in seconds else 0
        if order and classes and classes[-1][1:] == [code - 1, order]:
            classes[-1][1] = code
        elif order:
            classes.append([code, code, order])
    return pairs, composed, classes


def joiners():
    """Characters that the library holds to belong to the one before, but for marks, and those that belong to the one
    behind. A table replaces "A" with all that joins it, but leaves that where something else begins the whole."""
    units = [0] * 256
    units[0], units[0x40], units[0x41] = 1 << 10, 1 << 10 | 1 << 8 | ord("A"), 1 << 31  # "A": the first text
    table = struct.pack("<257I", 4 * len(units), *units) + b"B\0"
    replaced = tokenizers.normalizers.Precompiled(table).normalize_str
    valid = [code and not 0xD800 <= code < 0xE000 for code in range(sys.maxunicode + 1)]
    return [("kJoiners", ranges_of(lambda code: valid[code] and replaced("A" + chr(code)) == "B"
                                   and unicodedata.category(chr(code)) != "Mn")),
            ("kPrefixes", ranges_of(lambda code: valid[code] and replaced(chr(code) + "A\u0301")[-1] == "\u0301"))]


def punctuation():
    """Where the library parts words; ASCII is known without a table."""
    part = tokenizers.pre_tokenizers.Punctuation("isolated").pre_tokenize_str
    return [("kPunctuation", ranges_of(lambda code: code > 0x7F and not 0xD800 <= code < 0xE000
                                       and len(part("a" + chr(code))) == 2))]


def compatible():
    """Of the characters that the library takes apart for compatibility: runs (first, last, part of the first) where
    neighbours are made of one neighbour each, and the rest as code + (parts << 24), parts, one after the other."""
    library, runs, rest = tokenizers.normalizers.NFKD().normalize_str, [], []
    steps = {}
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(code)).split()
        if parts and not 0xD800 <= code < 0xE000 and library(chr(code)) != chr(code):
            steps[code] = [int(p, 16) for p in parts if p[0] != "<"]
        if not parts or parts[0][0] != "<" or code not in steps:
            continue
        parts = steps[code]
        if len(parts) > 1:
            rest += [code | len(parts) << 24, *parts]
        elif runs and runs[-1][1] == code - 1 and runs[-1][2] + code - runs[-1][0] == parts[0]:
            runs[-1][1] = code
        else:
            runs.append([code, code, parts[0]])

    def apart(code):
        return "".join(map(apart, steps[code])) if code in steps else chr(code)
    for code in range(sys.maxunicode + 1):
        if not 0xD800 <= code < 0xE000 and code not in HANGUL:
            marks = sorted(apart(code)) == sorted(library(chr(code)))  # whose order is another matter
            assert marks, hex(code)
    return runs, rest


def accents_and_cases():
    """What the library drops as accents, and runs (first, last, stride, difference) of its lower case."""
    strip, lower = tokenizers.normalizers.StripAccents().normalize_str, tokenizers.normalizers.Lowercase().normalize_str
    characters = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    accents = set(c for c in characters if strip(chr(c)) == "")
    reorder = tokenizers.normalizers.NFD().normalize_str
    moved = [c for c in characters if reorder(chr(c)) == chr(c) and (
        reorder(chr(c) + "\u0334")[0] == "\u0334" or reorder("\u0345" + chr(c))[-1] == "\u0345")]
    assert accents.issuperset(moved)  # whatever order NFD brings them to, they go
    runs = []
    for code in characters:
        to = lower(chr(code))
        if to == chr(code) or code == 0x130:  # the one with two characters
            continue
        difference, last = ord(to) - code, runs[-1] if runs else None
        if last and last[3] == difference and code - last[1] in (1, 2) and last[2] in (0, code - last[1]):
            last[1], last[2] = code, code - last[1]
        else:
            runs.append([code, code, 0, difference])
    return ranges_of(accents.__contains__), [(a, b, max(s, 1), d) for a, b, s, d in runs]


def cell(value):
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(map(cell, value)) + "}"
    return hex(value) if value > 9 else str(value)


def table(type_name, name, rows):
    lines, line = [], " "
    for row in rows:
        text = f" {cell(row)},"
        if len(line) + len(text) > 100:
            lines.append(line)
            line = " "
        line += text
    lines.append(line)
    body = "\n".join(lines)
    return (f"const {type_name} {name}[] = {{\n{body}\n}};\n"
            f"const size_t {name}Count = sizeof {name} / sizeof *{name};\n")


def write(name, tables, header="models/text/unicode_tables.h", space="heed"):
    text = ["// Written by make_unicode_tables.py: do not edit.\n",
            f'#include "{header}"\n', f"namespace {space} {{\n", "// clang-format off",
            *tables, "// clang-format on", f"\n}}  // namespace {space}\n"]
    (pathlib.Path(__file__).parent / name).write_text("\n".join(text))


def main():
    classes = [("kLetters", lambda c: c[0] == "L"), ("kNumbers", lambda c: c[0] == "N"), ("kMarks", lambda c: c == "Mn"),
               ("kControls", lambda c: c in ("Cc", "Cf", "Co", "Cs")),
               ("kCapitals", lambda c: c in ("Lu", "Lt")), ("kSmalls", lambda c: c == "Ll"),
               ("kSpacingMarks", lambda c: c in ("Mc", "Me"))]
    write("unicode_classes.cpp", [table("CodeRange", n, r) for n, r in
                                  [(n, ranges(w)) for n, w in classes] + punctuation() + joiners()])
    runs, pairs, words = folds()
    near = [(code, to) for code, to in pairs if code < 0x10000 and to < 0x10000]
    ideographs = [(code - 0x20000, to) for code, to in pairs if 0x20000 <= code < 0x30000 and to < 0x10000]
    far = [pair for pair in pairs if pair not in near and (pair[0] - 0x20000, pair[1]) not in ideographs]
    write("unicode_folds.cpp", [table("FoldRun", "kFoldRuns", runs),
                                table("FoldPair", "kFoldPairs", near),
                                table("FoldPair", "kFoldIdeographs", ideographs),
                                table("FoldFarPair", "kFoldFarPairs", far),
                                table("FoldWord", "kFoldWords", words)])
    pairs, composed, classes = canonical()
    write("../families/canonical_pairs.cpp",
          [table("CanonicalPair", "kCanonicalPairs", pairs), table("uint16_t", "kCanonicalJoints", composed),
           table("CombiningClass", "kCombiningClasses", classes)],
          "models/families/canonical_table.h", "heed::families")
    runs, rest = compatible()
    write("../families/compatible_parts.cpp",
          [table("PartRun", "kCompatibleRuns", runs), table("uint32_t", "kCompatibleParts", rest)],
          "models/families/character_maps.h", "heed::families")
    accents, cases = accents_and_cases()
    write("../families/accents_and_cases.cpp",
          [table("AccentRange", "kAccents", accents), table("CaseRun", "kLowerCases", cases)],
          "models/families/character_maps.h", "heed::families")


main()
