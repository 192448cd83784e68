"""Run a notebook from its first cell to its last with a kernel of this interpreter, its output live.

    python penstock_notebook.py report.ipynb

What its cells print comes on stdout and stderr as it comes; tables and other results as text. Constants get the values of
`PENSTOCK_VALUES`, in the text of their cells. The notebook with its outputs is written to `PENSTOCK_OUTPUT` under its own name,
up to the cell that failed, if one did; there is none to write to outside a run. The working folder is that of the notebook, as in
Jupyter. It needs nbclient and ipykernel, nothing of Penstock.
"""

from __future__ import annotations

import os
import re
import sys
import time

import penstock_constants
import penstock_values

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is not loaded for it
    from typing import Any

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SAVE_EVERY_S = 5.0


def set_values(notebook: Any, values: dict[str, str]) -> None:
    """Other values of constants, in the text of their cells."""
    cells = penstock_constants.cells_of(notebook)
    sources = {index: source for index, source, _ in cells}
    nodes: dict[int, dict[str, Any]] = {}
    for name, (index, node, _) in penstock_constants.constants_of_cells(cells)[0].items():
        if name in values:
            nodes.setdefault(index, {})[name] = node
    for index, of_cell in nodes.items():
        notebook["cells"][index]["source"] = penstock_constants.replaced_in_cell(sources[index], of_cell, values)


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
    if asked is not None:
        set_values(notebook, asked[1])
        del os.environ[penstock_values.VARIABLE]  # the kernel is not to look for them
    folder = os.environ.get("PENSTOCK_OUTPUT")
    copy = os.path.join(folder, os.path.basename(path)) if folder else None
    saved_at = [time.monotonic()]

    def save() -> None:
        if copy is not None:
            nbformat.write(notebook, copy + ".draft")
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
