#!/usr/bin/env python3
"""compare_peers.py --heed build/heed --work FOLDER [options]

The side-by-side proof: heed against the engines that a user could take instead, on the models of
make_reference_models.py, each engine with its own best int8, on this machine.

Makes a virtual environment in the work folder, installs the peers from the Python package index,
converts and quantises every model for every peer (kept in the work folder, and reused by the next
call), then measures in rounds: in each round every (model, engine, number of threads) runs once,
in a fresh process pinned to its cores: load, check against PyTorch's answer, warm up, and run for
--seconds, at least --runs times. The table holds medians over the rounds. A peer that cannot be
had, or fails, is a row that says why.

What is equal and what is not: all run the same network at batch 1, checked by the cosine between
the first output and PyTorch's. heed is timed inside its own program; peers through their Python
packages, so that one call of Python (some 5 to 50 us) is in their times. xnnpack is a graph built
by hand with random weights, attention in float32 (bench_xnnpack.cpp): nobody's product, but the
least that an engine on XNNPACK can take. "beyond MB": the peak of memory beyond what the process
held when it began, for peers a bare Python's; for heed beyond its mapped file, too.
"""

import argparse
import array
import datetime
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS = ["deit_tiny", "kwt1", "kwt3", "whisper_tiny_encoder", "whisper_tiny_decoder_step"]
MODELS += ["minilm_l6", "mobilevit_xxs"]

# Peer to its variants and what to install. Those that need other releases of a package that
# another peer uses have an environment of their own.
PEERS = {
    "onnxruntime": (["float32", "int8", "int8_fused", "int8_static"], "main"),
    "ncnn": (["float32", "int8"], "main"),
    "openvino": (["float32", "int8_static", "int8_dynamic"], "main"),
    "mnn": (["float32", "int8_dynamic"], "main"),
    "executorch": (["float32", "int8"], "main"),
    "litert": (["float32", "int8"], "litert"),
    "ctranslate2": (["float32", "int8"], "main"),
    "xnnpack": (["int8"], None),  # a program of this project: bench_xnnpack.cpp, which see
}
ENVIRONMENTS = {
    "main": [
        *("torch", "transformers", "onnx", "onnxruntime", "sympy", "ncnn", "pnnx", "openvino"),
        *("nncf", "MNN", "executorch", "ctranslate2"),
    ],
    "litert": ["torch", "transformers", "litert-torch", "ai-edge-quantizer", "ai-edge-litert"],
}


def read_npy(data):
    """Numbers of a float32 .npy file: this script asks for nothing beyond Python itself."""
    header = 10 + int.from_bytes(data[8:10], "little")
    if b"'<f4'" not in data[:header]:
        raise ValueError("not float32")
    numbers = array.array("f")
    numbers.frombytes(data[header:])
    return numbers


def cosine(a, b):
    if len(a) != len(b):
        return None
    dot, aa, bb = (math.fsum(x * y for x, y in zip(*p)) for p in ((a, b), (a, a), (b, b)))
    return dot / math.sqrt(aa * bb) if aa * bb > 0 else None


def run(command, **options):
    return subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, **options
    )


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no output"


class Comparison:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work = Path(arguments.work).resolve()
        self.models = Path(arguments.models).resolve() if arguments.models else self.work / "models"
        self.xnnpack = Path(arguments.heed).resolve().parent / "tests" / "bench_xnnpack"
        self.environments = {}  # name to its Python, or to the reason why there is none
        self.rows = {}  # (model, engine, variant) to its facts

    def say(self, text):
        print(f"[{datetime.datetime.now():%H:%M:%S}] {text}", file=sys.stderr, flush=True)

    def python(self, name):
        """The Python of an environment; makes it at first use."""
        if name in self.environments:
            return self.environments[name]
        folder = self.work / "venv" / name
        python = folder / "bin" / "python"
        marker = folder / "installed.txt"
        wanted = "\n".join(ENVIRONMENTS[name])
        if not (marker.exists() and marker.read_text() == wanted) and not self.arguments.no_install:
            self.say(f"installing {' '.join(ENVIRONMENTS[name])}")
            made = run([sys.executable, "-m", "venv", folder])
            if made.returncode == 0:
                made = run([python, "-m", "pip", "install", "-q", *ENVIRONMENTS[name]])
            if made.returncode != 0:
                raise RuntimeError("cannot be installed: " + last_line(made.stderr))
            marker.write_text(wanted)
        if not python.exists():
            raise RuntimeError(f"no environment in {folder}, and --no-install was given")
        self.environments[name] = python
        return python

    def make_models(self):
        missing = [m for m in self.arguments.only if not (self.models / f"{m}.json").exists()]
        if missing:
            self.say("making " + " ".join(missing))
            maker = HERE / "make_reference_models.py"
            made = run([self.python("main"), maker, self.models, "--only", *missing])
            if made.returncode != 0:
                sys.exit("compare_peers: making the models: " + last_line(made.stderr))
        for model in self.arguments.only:
            facts = json.loads((self.models / f"{model}.json").read_text())
            self.rows[model, "heed", ""] = {"multiply_adds": facts["multiply_adds"]}

    # heed -----------------------------------------------------------------------------------------

    def prepare_heed(self, model):
        row = self.rows[model, "heed", ""]
        target = self.work / "heed" / f"{model}.heed"
        target.parent.mkdir(parents=True, exist_ok=True)
        made = run([self.arguments.heed, "convert", self.models / f"{model}.onnx", "-o", target])
        if made.returncode != 0:
            row["failed"] = last_line(made.stderr)
            return
        row["cosine"] = self.check_heed(model, target)
        tokens = self.past_tokens(model)
        if tokens:
            # As heed is used: keys and values stay in the session. Its state begins empty, so that
            # the answer cannot be compared; that of the file above is.
            row = self.rows[model, "heed", "past_kept"] = {}
            target = self.work / "heed" / f"{model}.past_kept.heed"
            source = self.models / f"{model}.onnx"
            keep = ["--keep-past", tokens + 1, "--random-samples", 0]
            made = run([self.arguments.heed, "convert", source, "-o", target, *keep])
            if made.returncode != 0:
                row["failed"] = last_line(made.stderr)

    def past_tokens(self, model):
        """Of a decoder's past, 0 where a model has none."""
        with zipfile.ZipFile(self.models / f"{model}.npz") as arrays:
            for name in arrays.namelist():
                if name.startswith("in:past_key_values") and name.endswith("decoder.key.npy"):
                    header = arrays.read(name)[:200].decode("latin-1")
                    return int(header.split("'shape': (")[1].split(")")[0].split(",")[2])
        return 0

    def check_heed(self, model, target):
        folder = self.work / "heed" / f"{model}.check"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command, wanted = [self.arguments.heed, "run", target, "--save", folder], None
        with zipfile.ZipFile(self.models / f"{model}.npz") as arrays:
            for name in arrays.namelist():
                if name.startswith("in:"):
                    (folder / name[3:]).write_bytes(arrays.read(name))
                    command += ["--input", f"{name[3:-4]}={folder / name[3:]}"]
                elif wanted is None:
                    wanted, output = read_npy(arrays.read(name)), name[4:]
        done = run(command)
        if done.returncode != 0:
            self.say(f"heed run {model}: {last_line(done.stderr)}")
            return None
        match = cosine(read_npy((folder / output).read_bytes()), wanted)
        shutil.rmtree(folder)
        return match

    def time_heed(self, model, variant, threads):
        file = self.work / "heed" / (f"{model}.{variant}.heed" if variant else f"{model}.heed")
        command = [self.arguments.heed, "bench", "--json", file]
        command += ["--threads", threads, "--seconds", self.arguments.seconds]
        command += ["--runs", self.arguments.runs]
        if self.arguments.fifo:
            command = ["chrt", "-f", self.arguments.fifo, *command]
        done = run(self.pinned(threads, command), timeout=self.arguments.timeout)
        if done.returncode != 0:
            raise RuntimeError(last_line(done.stderr))
        bench = json.loads(done.stdout)
        result = bench["models"][0]
        kernels = {op["variant"] for op in result["ops"]} - {""}
        return {
            "latency_us_median": result["latency_us_median"],
            "latency_us_min": result["latency_us_min"],
            "load_ms": result["load_us"] / 1e3,
            "peak_memory_bytes": bench["peak_memory_bytes"],
            "beyond_bytes": max(
                0, bench["peak_memory_bytes"] - bench["start_memory_bytes"] - result["file_bytes"]
            ),
            "file_bytes": result["file_bytes"],
            "version": result["isa"],
            "kernels": sorted(kernels),
            "int8_peak_gmacs": bench["int8_peak_gmacs"],
            "int8_peak_kernel": bench["int8_peak_kernel"],
            "ops": result["ops"],
        }

    # Peers ----------------------------------------------------------------------------------------

    def peer_command(self, action, model, peer, variant):
        command = [self.python(PEERS[peer][1]), HERE / "peers" / "run_peer.py", action, peer]
        return [*command, variant, model, "--models", self.models, "--work", self.work / "peers"]

    def prepare_peer(self, model, peer, variant):
        row = self.rows.setdefault((model, peer, variant), {})
        if peer == "xnnpack":
            row.update(self.check_xnnpack(model))
            return
        done_file = self.work / "peers" / f"{peer}.{variant}.{model}.json"
        if done_file.exists():
            row.update(json.loads(done_file.read_text()))
            return
        if self.arguments.no_prepare:
            row["failed"] = "not prepared"
            return
        try:
            command = self.peer_command("prepare", model, peer, variant)
            made = run(command, timeout=3600, cwd=self.work)  # some leave files where they are
            if made.returncode != 0:
                row["failed"] = last_line(made.stderr)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            row["failed"] = str(error)[:200]
        if "failed" in row:
            self.say(f"{model} for {peer} {variant}: {row['failed']}")
            return  # not remembered: the next call tries again
        done_file.parent.mkdir(parents=True, exist_ok=True)
        done_file.write_text(json.dumps(row))

    def check_xnnpack(self, model):
        if not self.xnnpack.exists():
            return {"failed": f"no program {self.xnnpack}: build with HEED_TESTS=ON"}
        if model not in last_line(run([self.xnnpack]).stderr).split():
            return {"failed": "bench_xnnpack does not build this network"}
        return {}

    def time_xnnpack(self, model, threads):
        command = [self.xnnpack, model, threads, self.arguments.seconds, self.arguments.runs]
        if self.arguments.fifo:
            command = ["chrt", "-f", self.arguments.fifo, *command]
        done = run(self.pinned(threads, command), timeout=self.arguments.timeout)
        if done.returncode != 0:
            raise RuntimeError(last_line(done.stderr))
        result = json.loads(done.stdout)
        result["beyond_bytes"] = result["peak_memory_bytes"] - result["start_memory_bytes"]
        result["version"] = "as heed is built with"
        return result

    def time_peer(self, model, peer, variant, threads):
        if peer == "xnnpack":
            return self.time_xnnpack(model, threads)
        command = self.peer_command("time", model, peer, variant)
        command += ["--threads", threads, "--seconds", self.arguments.seconds]
        command += ["--runs", self.arguments.runs, "--fifo", self.arguments.fifo]
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        options = {"timeout": self.arguments.timeout, "env": environment, "cwd": self.work}
        done = run(self.pinned(threads, command), **options)
        if done.returncode != 0:
            raise RuntimeError(last_line(done.stderr) if done.returncode > 0 else "crashed")
        result = json.loads(last_line_whole(done.stdout))
        result["beyond_bytes"] = result.pop("peak_memory_beyond_python_bytes")
        return result

    def pinned(self, threads, command):
        cores = sorted(os.sched_getaffinity(0))[-threads:]
        loading = ["nice", "-n", "-15"] if self.arguments.fifo else []
        return [*loading, "taskset", "-c", ",".join(map(str, cores)), *command]

    # All of it ------------------------------------------------------------------------------------

    def time_once(self, key, threads):
        model, engine, variant = key
        row = self.rows[key]
        if "failed" in row:
            return
        try:
            if engine == "heed":
                result = self.time_heed(model, variant, threads)
            else:
                result = self.time_peer(model, engine, variant, threads)
        except (RuntimeError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
            row.setdefault("errors", []).append(f"{threads}T: {error}"[:200])
            self.say(f"{model} {engine} {variant} {threads}T: {error}")
            return
        row.setdefault("runs", {}).setdefault(str(threads), []).append(result)

    def measure(self):
        for model in self.arguments.only:
            self.prepare_heed(model)
            for peer in self.arguments.peers:
                for variant in PEERS[peer][0]:
                    self.prepare_peer(model, peer, variant)
        for turn in range(self.arguments.rounds):
            for model in self.arguments.only:
                self.say(f"round {turn + 1} of {self.arguments.rounds}: {model}")
                for threads in self.arguments.threads:
                    for key in [k for k in self.rows if k[0] == model]:
                        self.time_once(key, threads)
                self.write()

    def write(self):
        """What there is so far: the table, and all numbers where a file for them was named."""
        facts = self.facts()
        if self.arguments.json:
            Path(self.arguments.json).write_text(json.dumps(facts, indent=1) + "\n")
        if self.arguments.table:
            Path(self.arguments.table).write_text(table(facts) + "\n")

    def facts(self):
        rows = []
        for (model, engine, variant), row in self.rows.items():
            rows.append({"model": model, "engine": engine, "variant": variant, **row})
        with open("/proc/cpuinfo") as cpuinfo:
            names = [line.split(":")[1].strip() for line in cpuinfo if "model name" in line]
        return {
            "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
            "machine": (names or [platform.machine()])[0],
            "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "fifo": self.arguments.fifo,
            "rounds": self.arguments.rounds,
            "seconds": self.arguments.seconds,
            "threads": self.arguments.threads,
            "rows": rows,
        }


def last_line_whole(text):
    return text.strip().splitlines()[-1]


# The table ----------------------------------------------------------------------------------------


def median(row, threads, what):
    runs = row.get("runs", {}).get(str(threads), [])
    values = [r[what] for r in runs if r.get(what) is not None]
    return statistics.median(values) if values else None


def number(value, digits=3):
    if value is None:
        return "-"
    if value >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(max(value, 1e-9))))}f}"


def engine_cells(row, heed, facts, peak):
    cells = []
    for threads in facts["threads"]:
        own, other = (median(r, threads, "latency_us_median") for r in (row, heed))
        best = [r["latency_us_min"] for r in row.get("runs", {}).get(str(threads), [])]
        cells.append(f"{number(own / 1e3)} ({number(min(best) / 1e3)})" if own else "-")
        cells.append(f"{own / other:.2f}" if own and other else "-")
    first = facts["threads"][0]
    own = median(row, first, "latency_us_median")
    share = heed["multiply_adds"] / own / 1e3 / peak / first if own and peak else None
    cells.append(f"{100 * share:.0f}%" if share else "-")
    match = row.get("cosine", median(row, first, "cosine"))
    cells.append(f"{match:.5f}" if match is not None else "-")
    for what in ("file_bytes", "peak_memory_bytes", "beyond_bytes"):
        value = median(row, first, what)
        cells.append(number(value / 1e6) if value else "-")
    cells.append(number(median(row, first, "load_ms")))
    return cells


def model_table(model, facts):
    rows = [r for r in facts["rows"] if r["model"] == model]
    heed = next(r for r in rows if r["engine"] == "heed")
    peak = median(heed, facts["threads"][0], "int8_peak_gmacs")
    head = ["engine"]
    for threads in facts["threads"]:
        head += [f"{threads}T ms (min)", "/ heed"]
    head += [f"of int8 peak, {facts['threads'][0]}T", "cosine", "file MB", "peak MB"]
    head += ["beyond MB", "load ms"]
    millions = heed["multiply_adds"] / 1e6
    lines = [f"### {model} ({millions:.0f} M multiply-adds)", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    notes = []
    for row in rows:
        name = f"{row['engine']} {row['variant'].replace('_', ' ')}".strip()
        reason = row.get("failed") or "; ".join(dict.fromkeys(row.get("errors", [])))
        if reason:
            notes.append(f"- {name}: {reason}")
        if row.get("runs"):
            cells = engine_cells(row, heed, facts, peak)
        else:
            cells = ["failed, see below" if reason else "not measured"] + ["-"] * (len(head) - 2)
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return lines + ([""] + notes if notes else []) + [""]


def table(facts):
    versions, kernels, peaks = {}, set(), []
    for row in facts["rows"]:
        for runs in row.get("runs", {}).values():
            for r in runs:
                versions[row["engine"]] = r["version"]
                kernels.update(r.get("kernels", []))
                peaks += [(r["int8_peak_gmacs"], r["int8_peak_kernel"])] if "ops" in r else []
    lines = [f"{facts['date']}, {facts['machine']}, {facts['cores']} cores, "]
    lines[0] += f"Linux {facts['kernel']}; {facts['rounds']} rounds of {facts['seconds']} s, "
    lines[0] += f"real-time class {facts['fifo']}." if facts["fifo"] else "normal scheduling class."
    if peaks:
        gmacs = statistics.median(p[0] for p in peaks)
        lines.append(f"int8 peak of one core: {gmacs:.0f} GMAC/s ({peaks[0][1]}).")
    lines.append("Versions: " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) + ".")
    lines.append("Kernels that heed ran: " + ", ".join(sorted(kernels)) + ".")
    lines.append("")
    for model in dict.fromkeys(row["model"] for row in facts["rows"]):
        lines += model_table(model, facts)
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heed", default="build/heed", help="the program (default build/heed)")
    parser.add_argument("--work", required=True, help="folder for environments and models; reused")
    parser.add_argument("--models", help="the reference models, if not in the work folder")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--only", nargs="+", choices=MODELS, default=MODELS, help="models")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each run")
    parser.add_argument("--runs", type=int, default=10, help="at least so many inferences a run")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one process")
    parser.add_argument("--fifo", type=int, default=0, help="measure in the real-time class; root")
    parser.add_argument("--no-install", action="store_true", help="take environments as they are")
    parser.add_argument("--no-prepare", action="store_true", help="only what is converted already")
    parser.add_argument("--json", help="write all numbers to this file")
    parser.add_argument("--table", help="write the table here instead of to standard output")
    parser.add_argument("--from-json", help="measure nothing; make the table of such a file")
    return parser.parse_args()


def main():
    arguments = parse()
    if arguments.from_json:
        print(table(json.loads(Path(arguments.from_json).read_text())))
        return
    comparison = Comparison(arguments)
    comparison.make_models()
    comparison.measure()
    if not arguments.table:
        print(table(comparison.facts()))


if __name__ == "__main__":
    main()
