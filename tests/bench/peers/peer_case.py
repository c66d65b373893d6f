"""What a peer is given: which model, in which variant, and where its files are."""

import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np


class Unsupported(Exception):
    """The engine cannot do this; the message says why, in one line."""


@dataclasses.dataclass
class Case:
    model: str
    variant: str
    models: Path  # the reference models
    folder: Path  # of this peer and variant
    threads: int = 1

    @property
    def onnx(self):
        return self.models / f"{self.model}.onnx"

    def file(self, suffix):
        return self.folder / (self.model + suffix)

    def file_bytes(self):
        """All that was made for this model and is needed to run it."""
        made = (f for f in self.folder.rglob("*") if f.is_file())
        mine = (f for f in made if f.relative_to(self.folder).parts[0].split(".")[0] == self.model)
        return sum(f.stat().st_size for f in mine)

    @functools.cached_property
    def _arrays(self):
        return dict(np.load(self.models / f"{self.model}.npz"))

    @functools.cached_property
    def inputs(self):
        return {n[3:]: a for n, a in self._arrays.items() if n.startswith("in:")}

    def output_names(self):
        return [n[4:] for n in self._arrays if n.startswith("out:")]

    def wanted(self):
        return [a for n, a in self._arrays.items() if n.startswith("out:")]

    def torch_module(self):
        """The network itself, for engines that take it from PyTorch, and example inputs."""
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        import make_reference_models

        return make_reference_models.build(self.model)
