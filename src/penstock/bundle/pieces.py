"""Texts as the numbers of their pieces: the tokenising of sentence models, which standard ONNX operators cannot say."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from penstock.errors import MissingExtra, RecipeError


def pieces(most: int, tokeniser: bytes) -> Callable[[str], str]:
    """A text as the numbers of its pieces, with one space between them; an empty text has none.

    Parameters
    ----------
    most : pieces that are kept, those that begin and end a sentence among them.
    tokeniser : a ``tokenizer.json`` of the package tokenizers, which is needed here and nowhere else.

    Raises
    ------
    MissingExtra : the package tokenizers is not installed. RecipeError : it cannot read the file.
    """
    encode = _tokeniser(most, tokeniser).encode
    return lambda text: " ".join(map(str, encode(text).ids)) if text else ""


@lru_cache(maxsize=8)
def _tokeniser(most: int, tokeniser: bytes) -> Any:
    try:
        package = importlib.import_module("tokenizers")
    except ModuleNotFoundError as error:
        if error.name != "tokenizers":
            raise
        raise MissingExtra(
            "a sentence model needs the package 'tokenizers'",
            why="it takes texts apart as the model learned them, and is not installed here",
            way_out='pip install "penstock[embed]"',
        ) from error
    try:
        made = package.Tokenizer.from_str(tokeniser.decode())
        made.no_padding()
        made.enable_truncation(most)
    except Exception as error:  # the package raises plain Exception
        raise RecipeError(
            "the tokeniser of a sentence model cannot be read",
            why=" ".join(str(error).split())[:300],
            way_out="give the tokenizer.json that the model was trained with, or install a newer tokenizers",
        ) from error
    return made
