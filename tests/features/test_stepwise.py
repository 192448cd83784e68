"""A recipe step by step: every step under its own name, and the features that the whole recipe gives."""

from __future__ import annotations

import numpy as np

from penstock.bundle.packing import pack
from penstock.features.stepwise import step_outputs


def test_each_step_is_told_with_its_outputs(table, fit):
    """In the order in which they work; the last are the features, bit for bit those of the recipe."""
    frame, specs = table(
        age=("numeric", [40.0, None, 20.0, 60.0, 40.0]), job=("categorical", ["cook", "nurse", None, "cook", "nurse"])
    )
    recipe = """outputs = ["clamp(impute(age), low=25, high=100, by='value')", "one_hot(job, 1)", "age"]"""
    fitted = fit(recipe, frame, specs)
    rows = frame.take(slice(1, 3))
    made = step_outputs(fitted, pack(rows, fitted.layout))
    by_name = {step.step.partition("(")[0]: step for step in made.steps}
    assert by_name["impute"].values[:, 0].tolist() == [40.0, 20.0]
    assert by_name["clamp"].step.startswith("clamp(impute(age), ")
    assert by_name["clamp"].values[:, 0].tolist() == [40.0, 25.0]
    assert dict(zip(by_name["one_hot"].names, by_name["one_hot"].values[0].tolist(), strict=True))["job=nurse"] == 1.0
    np.testing.assert_array_equal(made.features, fitted.transform(rows))
    assert made.feature_names == fitted.names


def test_a_tower_of_steps_is_told_in_little(table, fit):
    """Each step reads the one below twice, so that its call, written out, would be twice as long: 2^18 of them at the top."""
    frame, specs = table(a=("numeric", [1.0, 5.0, 2.0, 8.0, 3.0]))
    lines = "\n".join(f'z{k} = "pca(group(z{k - 1}, log(z{k - 1})), 1)"' for k in range(1, 19))
    recipe = f'outputs = ["z18"]\n[assignments]\nz0 = "a"\n{lines}'
    fitted = fit(recipe, frame, specs)
    made = step_outputs(fitted, pack(frame, fitted.layout))
    assert len(made.steps) == 36
    assert made.steps[2].step.startswith("log(pca([a, log(a)])")
    assert "(...)" in made.steps[-1].step
    assert max(len(step.step) for step in made.steps) < 4_000
