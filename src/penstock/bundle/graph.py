"""The one way in which a graph is opened, so that fitting, parity, batch and server get the same bits."""

from __future__ import annotations

import os
from os import PathLike

# From 1.32 on onnxruntime reports its use to its makers. What a model is asked is nobody's business: it is told not to, before
# it is loaded, whatever it would do by itself.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

_ERRORS_ONLY = 3
onnxruntime.set_default_logger_severity(_ERRORS_ONLY)


def open_session(model: bytes | str | PathLike[str]) -> onnxruntime.InferenceSession:
    """A session that answers a batch with exactly the bits of its rows: one thread, operators in sequence.

    Parameters
    ----------
    model : the bytes of an ONNX model, or the path of one.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two threads differ in the last bit on most rows of a regression
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
