#!/usr/bin/env python3
"""How many words a speech model got wrong: the word error rate of what `heed run --json` printed.

    score_words.py REFERENCES HYPOTHESES [--json] [--worst N] [--as-is]

REFERENCES  what was said: JSON lines {"input": "a.flac", "text": "..."}, or LibriSpeech's *.trans.txt
            (an identifier, a space, the text), or several files of either kind, parted by commas
HYPOTHESES  what was heard: the lines that `heed run MODEL SOUND.. --json` prints

A line belongs to the reference whose file name is the same without folder and ending. Both texts are
brought to one spelling first, as Whisper's basic normaliser and the simple half of its English one
do: lower case without accents and signs, nothing in brackets, no "uh", contractions in full. Numbers
and British spellings stay as they are; --as-is changes nothing but spaces. Needs nothing but Python.
"""
import argparse
import json
import pathlib
import re
import sys
import unicodedata

FILLERS = re.compile(r"\b(hmm|mm|mhm|mmm|uh|um)\b")
CONTRACTIONS = [(re.compile(pattern), full) for pattern, full in [
    (r"\bwon't\b", "will not"), (r"\bcan't\b", "can not"), (r"\blet's\b", "let us"),
    (r"\bain't\b", "aint"), (r"\by'all\b", "you all"), (r"\bwanna\b", "want to"),
    (r"\bgotta\b", "got to"), (r"\bgonna\b", "going to"), (r"\bi'ma\b", "i am going to"),
    (r"\bma'am\b", "madam"), (r"\bmr\b", "mister "), (r"\bmrs\b", "missus "), (r"\bst\b", "saint "),
    (r"\bdr\b", "doctor "), (r"\bprof\b", "professor "),
    (r"'d been\b", " had been"), (r"'s been\b", " has been"), (r"'d gone\b", " had gone"),
    (r"'s gone\b", " has gone"), (r"'d done\b", " had done"), (r"'s got\b", " has got"),
    (r"n't\b", " not"), (r"'re\b", " are"), (r"'s\b", " is"), (r"'d\b", " would"),
    (r"'ll\b", " will"), (r"'t\b", " not"), (r"'ve\b", " have"), (r"'m\b", " am")]]


def normalised(text):
    text = re.sub(r"[<\[][^>\]]*[>\]]", "", text.lower().replace("\u2019", "'"))
    text = FILLERS.sub("", re.sub(r"\([^)]+?\)", "", text))
    text = re.sub(r"\s+'", "'", text)
    for pattern, full in CONTRACTIONS:
        text = pattern.sub(full, text)
    text = re.sub(r"(\d),(\d)", r"\1\2", text)
    text = re.sub(r"\.([^0-9]|$)", r" \1", text)
    plain = unicodedata.normalize("NFKD", text)
    return "".join("" if unicodedata.category(c) == "Mn" else
                   " " if unicodedata.category(c)[0] in "MSP" and c not in ".%$" else c
                   for c in plain)


def mistakes(said, heard):
    """(substituted, left out, added) words on the shortest way from one to the other."""
    row = [(n, 0, 0, n) for n in range(len(heard) + 1)]  # all, substituted, left out, added
    for i, word in enumerate(said):
        above, row = row, [(i + 1, 0, i + 1, 0)]
        for j, other in enumerate(heard):
            if word == other:
                row.append(above[j])
                continue
            a, b, c = above[j], above[j + 1], row[j]
            row.append(min((a[0] + 1, a[1] + 1, a[2], a[3]), (b[0] + 1, b[1], b[2] + 1, b[3]),
                           (c[0] + 1, c[1], c[2], c[3] + 1), key=lambda way: way[0]))
    return row[-1][1:]


def key_of(name):
    return pathlib.PurePath(name).stem


def read_lines(path):
    """Pairs of a sound's name and a text."""
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        if not line.startswith("{"):
            name, _, text = line.strip().partition(" ")
            yield name, text
            continue
        try:
            entry = json.loads(line)
            yield key_of(entry["input"]), entry["text"]
        except (ValueError, KeyError, TypeError):
            raise SystemExit(f'{path}:{number}: not a line {{"input": .., "text": ..}}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references")
    parser.add_argument("hypotheses")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="show the N worst sounds")
    parser.add_argument("--as-is", action="store_true", help="compare the words as they are written")
    given = parser.parse_args()
    words = (lambda text: text.split()) if given.as_is else (lambda text: normalised(text).split())
    said = {name: text for path in given.references.split(",") for name, text in read_lines(path)}
    results, strangers = [], []
    for name, text in read_lines(given.hypotheses):
        if name not in said:
            strangers.append(name)
            continue
        reference, heard = words(said[name]), words(text)
        results.append((name, len(reference), mistakes(reference, heard), reference, heard))
    if not results:
        raise SystemExit("no sound is in both files")
    total = sum(count for _, count, *_ in results)
    wrong = [sum(result[2][i] for result in results) for i in range(3)]
    summary = {"sounds": len(results), "words": total, "substituted": wrong[0], "left_out": wrong[1],
               "added": wrong[2], "word_error_rate": round(sum(wrong) / max(total, 1), 6),
               "without_reference": len(strangers),
               "not_heard": len(set(said) - {result[0] for result in results})}
    if given.json:
        print(json.dumps(summary))
        return
    print(f"word error rate {100 * summary['word_error_rate']:.2f} %: of {total} words {wrong[0]} "
          f"substituted, {wrong[1]} left out, {wrong[2]} added; {len(results)} sounds")
    if summary["without_reference"] or summary["not_heard"]:
        print(f"{len(strangers)} sounds have no reference, {summary['not_heard']} references no sound")
    for name, count, wrong, reference, heard in sorted(results, key=lambda r: -sum(r[2]))[: given.worst]:
        print(f"{name}: {sum(wrong)} of {count}\n  said  {' '.join(reference)}\n  heard {' '.join(heard)}")


main()
