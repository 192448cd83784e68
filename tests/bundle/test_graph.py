"""The one way in which a graph is opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from penstock.bundle.decoder import Decoder
from penstock.bundle.format import read_bundle
from penstock.bundle.graph import open_session
from penstock.bundle.packing import pack
from penstock.testing.toy_bundle import ROWS, toy_parts


def test_bytes_and_path_open_the_same_graph_with_one_thread(toy_folders: dict[str, Path]) -> None:
    """The same bits from both."""
    decoder, signature = toy_parts("regression")
    path = toy_folders["regression"] / "graph.onnx"
    feeds = pack(Decoder.decode_rows(decoder, ROWS)[0], signature.layout)
    sessions = [open_session(path), open_session(str(path)), open_session(read_bundle(path.parent).files["graph.onnx"])]
    values = [session.run(["value"], feeds)[0] for session in sessions]
    assert len({np.asarray(value).tobytes() for value in values}) == 1
    options = sessions[0].get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_a_batch_has_the_bits_of_its_rows(toy_folders: dict[str, Path]) -> None:
    """What every comparison of online with batch rests on."""
    decoder, signature = toy_parts("binary")
    session = open_session(toy_folders["binary"] / "graph.onnx")
    frame, _ = decoder.decode_rows(list(ROWS) * 50)
    batch = np.asarray(session.run(["probabilities"], pack(frame, signature.layout))[0])
    single = [session.run(["probabilities"], pack(frame.take([i]), signature.layout))[0] for i in range(len(frame))]
    assert np.concatenate([np.asarray(one) for one in single]).tobytes() == batch.tobytes()
