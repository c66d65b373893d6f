#!/usr/bin/env python3
"""Reads the object code of the int8 kernels: their innermost loops must keep every sum in a register.

inner_loops.py OBJDUMP OBJECTS [--list] [--mca LLVM_MCA CPU TRIPLE] [--spilled]
  OBJDUMP    disassembles the target's objects
  OBJECTS    a file that names the objects of ops, one a line
  --list     prints the loops
  --mca      and the cycles that a processor model takes for one turn of each, e.g.
             --mca /usr/lib/llvm-19/bin/llvm-mca neoverse-n1 aarch64
  --spilled  the objects are examples of what must be found, and all of them have to be

An innermost loop that multiplies is one block of code that ends in a jump to its start and holds a
dot product. It must neither store a vector nor load one from the stack, and the widest of an object
must hold as many products as its tile has. Exit status 0: all is well, 1: findings, 2: bad usage.
"""
import os
import re
import subprocess
import sys

# The instruction of an object's dot product, and how many of them its widest tile has in a loop:
# fewer mean that a compiler took the tile apart, or that this test no longer finds the loop.
WIDEST = {
    "linear_avx2": ("vpmaddwd", 12),
    "linear_avxvnni": ("vpdpbusd", 12),
    "linear_avx512vnni": ("vpdpbusd", 24),
    "linear_neon": ("mlal", 16),
    "linear_dotprod": ("sdot", 96),
    "linear_i8mm": ("smmla", 24),
    "attention_avx2": ("vpmaddwd", 16),
    "attention_avxvnni": ("vpdpbusd", 12),
    "attention_avx512vnni": ("vpdpbusd", 24),
    "attention_neon": ("mlal", 8),
    "attention_dotprod": ("sdot", 96),
    "attention_i8mm": ("smmla", 24),
}
PRODUCT = re.compile(r"vpdpbusds?|vpdpwssds?|vpmaddwd|[us]*dot|[us]*mmla|[us]mlal2?|vmlal\.[us]8")
CONDITION = "eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
BRANCH = re.compile(rf"j\w+|bl?x?|b\.\w+|b({CONDITION})(\.[nw])?|cbn?z|tbn?z|call\w*|ret\w*")
VECTOR = re.compile(r"%[xyz]mm\d|\b[qvd]\d+|\{v\d")
STACK = re.compile(r"\[sp|\(%rsp")
STORE_ARM = re.compile(r"st[pr1-4u]\w*|vst\w*(\.\w+)?")


def functions(objdump, path):
    """Yields the name and the instructions (address, mnemonic, operands) of each function."""
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", "-C", path], check=True, text=True,
                          capture_output=True).stdout
    name, code = None, []
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if head:
            if code:
                yield name, code
            name, code = head.group(1), []
            continue
        row = re.match(r"\s+([0-9a-f]+):\s+((?:\{\w+\}\s+)?\S+)\s*(.*)$", line)
        if row:
            code.append((int(row.group(1), 16), row.group(2), row.group(3)))
    if code:
        yield name, code


def inner_loops(code):
    """Yields the loops of one block: no jump but the last instruction, which goes to the first."""
    place = {address: i for i, (address, _, _) in enumerate(code)}
    start = 0
    for i, (_, mnemonic, operands) in enumerate(code):
        if not BRANCH.fullmatch(mnemonic):
            continue
        target = re.search(r"\b(?:0x)?([0-9a-f]+) <", operands)
        first = place.get(int(target.group(1), 16)) if target else None
        if first is not None and start <= first <= i:
            yield code[first:i + 1]
        start = i + 1


def products(loop):
    """The loop's products, as mnemonics without the braces that name an encoding."""
    bare = [mnemonic.split()[-1] for _, mnemonic, _ in loop]
    return [mnemonic for mnemonic in bare if PRODUCT.fullmatch(mnemonic)]


def is_store(mnemonic, operands):
    if STORE_ARM.fullmatch(mnemonic):
        return True
    return mnemonic.startswith("v") and operands.rstrip().endswith(")")  # AT&T: the target is last


def spills(loop):
    """The loop's instructions that move a vector to memory or from the stack."""
    return [f"{mnemonic} {operands}" for _, mnemonic, operands in loop
            if VECTOR.search(operands) and (is_store(mnemonic, operands) or STACK.search(operands))]


def cycles(loop, mca, cpu, triple):
    """Cycles of one turn, as the model of a processor sees it."""
    lines = [".Lloop:"]
    for _, mnemonic, operands in loop:
        operands = re.sub(r"\s*(//|;|@).*$", "", operands)
        lines.append(f"{mnemonic} " + re.sub(r"(0x)?[0-9a-f]+ <.*>", ".Lloop", operands))
    command = [mca, f"-mtriple={triple}", f"-mcpu={cpu}", "-iterations=100"]
    if "aarch64" in triple:
        command.append("-mattr=+dotprod,+i8mm")
    run = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True)
    total = re.search(r"Total Cycles:\s+(\d+)", run.stdout)
    return f"{int(total.group(1)) / 100:.1f} cycles" if total else run.stderr.strip()[:200]


def read_object(objdump, path, kernel, describe):
    """What is wrong with an object's loops; describe(text, loop) is told of each."""
    findings, widest = [], 0
    instruction, wanted = WIDEST.get(kernel, ("", 1))
    for name, code in functions(objdump, path):
        for loop in inner_loops(code):
            found = products(loop)
            if not found:
                continue
            widest = max(widest, sum(1 for mnemonic in found if instruction in mnemonic))
            bad = spills(loop)
            findings += [f"{kernel}: {name[:100]}: {line}" for line in bad]
            describe(f"{kernel}: {len(found)} products, {len(loop)} instructions, "
                     f"{len(bad)} spills: {name[:100]}", loop)
    if widest < wanted:
        findings.append(f"{kernel}: its widest loop has {widest} times {instruction}, not {wanted}")
    return findings


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    objdump, objects = arguments[:2]
    spilled = "--spilled" in arguments
    mca = arguments[arguments.index("--mca") + 1:][:3] if "--mca" in arguments else None

    def describe(text, loop):
        if mca:
            print(f"{text}: {cycles(loop, *mca)}")
        elif "--list" in arguments:
            print(text)

    with open(objects, encoding="utf-8") as names:
        paths = [line.strip() for line in names if line.strip()]
    results = {}
    for path in paths:
        kernel = os.path.basename(path).split(".")[0]
        if kernel in WIDEST or spilled:
            results[kernel] = read_object(objdump, path, kernel, describe)
    findings = sum(results.values(), [])
    print(f"{len(results)} objects' inner loops read, {len(findings)} findings")
    for finding in findings:
        print(f"  {finding}")
    if spilled:
        return 0 if results and all(results.values()) else 1
    return 1 if findings or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
