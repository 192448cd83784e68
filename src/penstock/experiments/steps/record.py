"""What the ledger keeps of a step's run, and what can be read from it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.experiments.capture.secrets import Masker
from penstock.experiments.steps.contents import Content
from penstock.experiments.steps.graph import Node
from penstock.objects.digests import digest_of_json

if TYPE_CHECKING:
    from penstock.ledger.record import RunRecord


@dataclass(frozen=True)
class Basis:
    """Everything declared that a step's result depends on, as it is at one moment.

    Attributes
    ----------
    run : the command line as declared, without parameters; secrets in it are masked.
    params : secret ones are masked: another password is no reason to run again.
    inputs : what each declared input names. outputs : the declared outputs.
    """

    name: str
    run: str
    params: dict[str, Any]
    inputs: dict[str, Content]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, node: Node, inputs: dict[str, Content], masker: Masker) -> Basis:
        section = node.section
        return cls(node.name, masker.mask(section.run), masker.mapping(section.params), inputs, node.outputs)

    @property
    def key(self) -> str:
        """Equal for equal command, parameters, contents of the inputs, and names of the outputs."""
        return digest_of_json(
            {
                "format": 1,
                "kind": "step-key",
                "name": self.name,
                "run": self.run,
                "params": self.params,
                "inputs": {path: found.digest for path, found in self.inputs.items()},
                "outputs": sorted(self.outputs),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """What is recorded among the inputs of the step's run."""
        return {
            "step": self.name,
            "step_key": self.key,
            "step_run": self.run,
            "step_params": self.params,
            "step_inputs": {path: found.digest for path, found in self.inputs.items()},
        }


@dataclass(frozen=True)
class Made:
    """One output, as it was when its step had run: its content, and whether the store has all of it."""

    digest: str
    single: bool
    files: int
    size_bytes: int
    kept: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "single": self.single,
            "files": self.files,
            "size_bytes": self.size_bytes,
            "kept": self.kept,
        }


@dataclass(frozen=True)
class Past:
    """A finished run of a step.

    Attributes
    ----------
    outputs : output -> what it was.
    needs : files that it depended on beside the declared inputs: its scripts, and what it was seen to read in the folder.
    tree : digest of the tree with the outputs that the store has.
    rows : `rows_of` the project's rows that it read; None where it read none.
    """

    record: RunRecord
    key: str
    run: str
    params: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, Made]
    needs: dict[str, str]
    tree: str | None
    rows: str | None = None

    @classmethod
    def of(cls, record: RunRecord) -> Past | None:
        """None where the run did not get so far that its outputs were recorded."""
        kept = record.outputs.get("step")
        if not isinstance(kept, Mapping) or "step_key" not in record.inputs:
            return None
        return cls(
            record,
            record.inputs["step_key"],
            record.inputs.get("step_run", ""),
            dict(record.inputs.get("step_params", {})),
            dict(record.inputs.get("step_inputs", {})),
            {path: Made(**made) for path, made in kept["outputs"].items()},
            dict(kept.get("needs", {})),
            kept.get("tree"),
            kept.get("rows"),
        )


@dataclass(frozen=True)
class Finish:
    """What is recorded among the outputs of a step's run once it has made them. See `Past`."""

    outputs: dict[str, Made] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    tree: str | None = None
    rows: str | None = None

    def to_json(self) -> dict[str, Any]:
        made = {path: one.to_json() for path, one in self.outputs.items()}
        body = {"outputs": made, "needs": self.needs, "tree": self.tree}
        return body if self.rows is None else {**body, "rows": self.rows}


def rows_of(inputs: Mapping[str, Any]) -> str | None:
    """Which rows of a project a step may see, by the data set and the opened envelopes among its inputs.

    None where it is in no project with data; "" where the data has to be read first, so that nobody knows yet.
    """
    if "dataset" not in inputs:
        return None
    dataset, spent = inputs["dataset"], sorted(inputs.get("spent", ()))
    return digest_of_json({"format": 1, "kind": "step-rows", "dataset": dataset, "spent": spent}) if dataset else ""
