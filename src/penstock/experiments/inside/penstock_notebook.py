"""Run a notebook from its first cell to its last with a kernel of this interpreter, its output live.

    python penstock_notebook.py report.ipynb

What its cells print comes on stdout and stderr as it comes; tables and other results as text. Constants get the values of
`PENSTOCK_VALUES`, in the text of their cells. The notebook with its outputs is written to `PENSTOCK_OUTPUT` under its own name,
up to the cell that failed, if one did; there is none to write to outside a run. The working folder is that of the notebook, as in
Jupyter. Values of secret constants are written as `***`, in their cells and wherever they turn up in what was printed. It needs nbclient and ipykernel, nothing of Penstock.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import time
from copy import deepcopy as copy_of

import penstock_constants
import penstock_values

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is not loaded for it
    from typing import Any

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SAVE_EVERY_S = 5.0
MASK = "***"
SHORTEST = 4
"""A shorter secret cannot be told from ordinary text: it is masked in its own cell only."""


def set_values(notebook: Any, values: dict[str, str], secrets: list[str]) -> dict[int, str]:
    """Other values of constants, in the text of their cells; gives the text without secrets of cells that have one."""
    shown = {**values, **dict.fromkeys(secrets, repr(MASK))}
    told: dict[int, str] = {}
    cells = penstock_constants.cells_of(notebook)
    sources = {index: source for index, source, _ in cells}
    nodes: dict[int, dict[str, Any]] = {}
    for name, (index, node, _) in penstock_constants.constants_of_cells(cells)[0].items():
        if name in values:
            nodes.setdefault(index, {})[name] = node
    for index, of_cell in nodes.items():
        notebook["cells"][index]["source"] = penstock_constants.replaced_in_cell(sources[index], of_cell, values)
        if not set(secrets).isdisjoint(of_cell):
            told[index] = penstock_constants.replaced_in_cell(sources[index], of_cell, shown)
    return told


def forms_of(values: list[str]) -> list[str]:
    """How texts that are secret turn up in what is printed; `values` are Python literals, as they stand in cells."""
    found = []
    for value in values:
        try:
            text = ast.literal_eval(value)
        except ValueError:  # not a number
            continue
        if isinstance(text, str) and len(text.strip()) >= SHORTEST:
            found += [text.strip(), repr(text.strip())[1:-1]]
    return found


def masked(value: Any, forms: list[str]) -> Any:
    """An output of a cell without secrets."""
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form, MASK)
    elif isinstance(value, dict):
        for name in value:
            value[name] = masked(value[name], forms)
    elif isinstance(value, list):
        value[:] = [masked(inner, forms) for inner in value]
    return value


def show(message: Any) -> None:
    """What a cell gives, on our own stdout and stderr."""
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
        stream.write(content.get("text", ""))
        stream.flush()
    elif kind in ("execute_result", "display_data"):
        text = content.get("data", {}).get("text/plain")
        if text:
            print(text if isinstance(text, str) else "".join(text), flush=True)
    elif kind == "error":
        lines = "\n".join(content.get("traceback", [])) or "%s: %s" % (content.get("ename"), content.get("evalue"))
        print(lines if sys.stderr.isatty() else _ESCAPES.sub("", lines), file=sys.stderr, flush=True)


def manager_for(notebook: Any) -> Any:
    """A kernel of this interpreter; of the notebook's own kind where its language is another one."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    spec = notebook.metadata.get("kernelspec", {})
    language = spec.get("language") or notebook.metadata.get("language_info", {}).get("name") or "python"
    if language.lower() not in ("python", "ipython"):
        return AsyncKernelManager(kernel_name=spec.get("name", language))
    private = {"transport": "ipc"} if os.name == "posix" else {}  # sockets that nobody else on the machine can reach
    manager = AsyncKernelManager(kernel_name="python3", **private)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, display_name="Python 3", language="python")
    return manager


def main() -> int:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    path = os.path.abspath(sys.argv[1])
    notebook = nbformat.read(path, as_version=4)
    asked = penstock_values.wanted()
    forms: list[str] = []
    told: dict[int, str] = {}
    if asked is not None:
        names = json.loads(os.environ[penstock_values.VARIABLE]).get("secrets", [])
        forms = forms_of([asked[1][name] for name in names])
        told = set_values(notebook, asked[1], names)
        del os.environ[penstock_values.VARIABLE]  # the kernel is not to look for them
    folder = os.environ.get("PENSTOCK_OUTPUT")
    copy = os.path.join(folder, os.path.basename(path)) if folder else None
    saved_at = [time.monotonic()]

    def save() -> None:
        if copy is not None:
            kept = copy_of(notebook) if told else notebook
            for index, source in told.items():
                kept["cells"][index]["source"] = source
            for cell in kept["cells"] if forms else []:
                masked(cell.get("outputs"), forms)
            nbformat.write(kept, copy + ".draft")
            os.replace(copy + ".draft", copy)
        saved_at[0] = time.monotonic()

    class Client(NotebookClient):
        def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
            show(message)
            return super().process_message(message, cell, cell_index)

        def create_kernel_manager(self) -> Any:
            self.km = manager_for(notebook)
            return self.km

    def executed(**_: Any) -> None:
        if time.monotonic() - saved_at[0] > _SAVE_EVERY_S:
            save()

    os.chdir(os.path.dirname(path))
    client = Client(notebook, timeout=None, on_cell_executed=executed)
    try:
        client.execute()
    except CellExecutionError:  # its traceback was shown
        return 1
    except DeadKernelError:
        print("the notebook's kernel died: it ran out of memory, or was killed", file=sys.stderr)
        return 1
    finally:
        save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
