"""`penstock data check FILE`: whether a file keeps the contract, and whether it holds rows that are sealed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import NotFound
from penstock.lifecycle.contract import file_as_declared, lines_of, may_show, parsed, personal_of, read_contract
from penstock.lifecycle.readings import readings
from penstock.lifecycle.stages import Context
from penstock.project.project import Project

if TYPE_CHECKING:
    from penstock.data.contract.breach import Breach


@dataclass(frozen=True)
class FileCheck:
    """What is known of a file before anything of it is taken in.

    Attributes
    ----------
    test_rows : rows that this project knows as test rows; which ones is not told. None: nothing was ingested yet.
    unreadable : values that cannot be read as the newest version of the data set reads them.
    contract : name of the contract; None where there is none. rules : of it, that were looked at. breaches : what broke.
    """

    file: str
    rows: int
    test_rows: int | None
    unreadable: int
    contract: str | None
    rules: int
    breaches: tuple[Breach, ...]

    @property
    def exit_code(self) -> int:
        return 1 if self.test_rows or self.breaches else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "rows": self.rows,
            "test_rows": self.test_rows,
            "unreadable": self.unreadable,
            "contract": self.contract,
            "rules": self.rules,
            "breaches": [breach.to_json() for breach in self.breaches],
        }

    def to_text(self) -> str:
        lines = [f"{self.file}: {self.rows} rows"]
        if self.contract is None:
            lines.append("  there is no contract to hold it against: penstock data contract --infer")
        elif not self.breaches:
            lines.append(f"  it keeps all {self.rules} rules of {self.contract}")
        else:
            from penstock.data.contract.check import broken_rules

            broken = broken_rules(self.breaches)
            lines.append(f"  {broken} of {self.rules} rules of {self.contract} {'is' if broken == 1 else 'are'} broken")
            lines += lines_of(self.breaches)
        if self.test_rows:
            lines.append(
                f"  {self.test_rows} of them are test rows of this project: a model trained on this file has seen its exam"
            )
        elif self.test_rows is not None:
            lines.append("  none of them is a test row of this project")
        if self.unreadable:
            values = "1 value" if self.unreadable == 1 else f"{self.unreadable} values"
            lines.append(f"  {values} cannot be read as the newest version of the data set reads them")
        if self.breaches:
            lines.append(
                f"why it matters, and what to do: penstock explain-check {self.breaches[0].id}; "
                f"to accept what is as it should be: penstock data accept --reason WHY {self.file}"
            )
        return "\n".join(lines)


def check_file(project: Project, file: Path | str, **written: Any) -> FileCheck:
    """Hold a file, written as the declared source is, against the contract and the keyed fingerprints of the sealed rows.

    It is read once, in bounded memory.

    Parameters
    ----------
    written : how this file is written, where it is not as the source: keywords of `ReadOptions`, such as ``encoding="utf-16"``.

    Raises
    ------
    SourceError : the file cannot be read. ContractError : the contract is wrong.
    NotFound : nothing was ingested yet and there is no contract.
    """
    from penstock.data import fingerprints as prints
    from penstock.data.contract.check import Checker
    from penstock.data.split import TEST
    from penstock.data.versions import load_memory, load_version
    from penstock.lifecycle.ingest import declared_ingest

    path = Path(file)
    head = project.ledger.datasets.head(project.name)
    text = read_contract(project)
    if head is None and text is None:
        raise NotFound("this project has no data set yet", why="nothing was ingested", way_out="run `penstock run`")
    source = file_as_declared(project, path, **written)
    checker = None
    if text is not None:
        contract, how = parsed(project, text), personal_of(project)
        how["readings"] = readings(project, contract, declared_ingest(project))
        checker = Checker(contract, source.names, may_show(Context(project), project), **how)
    version = None if head is None else load_version(project.objects, head).keyed(project.ledger)
    memory = None if version is None else load_memory(project.objects, version)
    key = project.ledger.secret("fingerprints")
    rows = test_rows = unreadable = 0
    for batch in source.batches():
        rows += len(batch)
        if checker is not None:
            checker.add(batch)
        if version is not None and memory is not None:
            frame, problems = version.decoder.decode_columns(batch.columns)
            unreadable += len(problems)
            parts, _ = memory.parts_of_content(prints.frame_fingerprints(frame, version.inputs, key))
            test_rows += int((parts == TEST).sum())
    found = None if checker is None else checker.result()
    breaches = () if found is None else found.breaches
    told = {"rows": rows, "test_rows": test_rows, "broken": len(breaches)}
    project.ledger.audit.append("check file", path.name, told)
    return FileCheck(
        path.name,
        rows,
        None if version is None else test_rows,
        unreadable,
        None if text is None else project.declaration.contract.file,
        0 if found is None else found.rules,
        breaches,
    )
