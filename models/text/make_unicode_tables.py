#!/usr/bin/env python3
"""Writes unicode_classes.cpp and unicode_folds.cpp beside itself from Python's unicodedata: which characters are letters,
numbers, punctuation or marks, and what each becomes in lower case without accents; and ../families/canonical_pairs.cpp:
what characters are composed of."""
import pathlib
import sys
import unicodedata

import tokenizers

HANGUL = range(0xAC00, 0xD7A4)  # taken apart by arithmetic


RANGE_MAX = 2048  # characters that one CodeRange holds


def ranges(wanted):
    found, first = [], None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and wanted(unicodedata.category(chr(code)))
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
    classes = [("kLetters", lambda c: c[0] == "L"), ("kNumbers", lambda c: c[0] == "N"),
               ("kPunctuation", lambda c: c[0] == "P"), ("kMarks", lambda c: c == "Mn"),
               ("kControls", lambda c: c in ("Cc", "Cf", "Co", "Cs"))]
    write("unicode_classes.cpp", [table("CodeRange", n, ranges(w)) for n, w in classes])
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


main()
