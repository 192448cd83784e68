"""The duties of a step, in plain Python: what `recipe check` holds a project's own steps to, and `penstock.testing.step` all others."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import spox
import spox.opset.ai.onnx.ml.v3 as ml3

from penstock.bundle.graph import open_session
from penstock.bundle.kinds import INPUT_KINDS, MISSING_TIME, Kind, Task
from penstock.bundle.packing import FLOAT32_MAX
from penstock.errors import BadParameter
from penstock.features.bounds import check_parameters, defaults
from penstock.features.graph import ELEMENT, INPUT_OF, step_model
from penstock.features.step import FORMS, Columns, CrossFitted, FittedStep, Form, Remembering, Target

ODD: dict[Form, list[Any]] = {
    Form.NUMBERS: [
        *[np.nan, 0.0, -0.0, 1.0, float(np.nextafter(np.float32(1), np.float32(2))), -1.5, 1e-45, 16777217.0],
        *[FLOAT32_MAX, -FLOAT32_MAX, 3.25, 3.25, 1e9, 1e9 + 64],
    ],
    Form.STRINGS: [
        "",
        "a",
        "a",
        "b",
        "ä€😀",
        "العربية",
        "never seen",
        " ",
        "A",
        "1",
        "1.0",
        "x" * 300,
        "a\x1fb",
        "0\x1fa",
    ],
    Form.TEXTS: [
        *[
            "",
            "free prize",
            "free free free",
            "prize",
            "ä€ 中文 prize",
            "a b c d e f g",
            "free prize now",
            "x " * 99 + "x",
        ],
        *["now", "unseen words only", "free prize free prize", "b a", "a b", "0"],
    ],
    Form.TIMES: [
        *[
            MISSING_TIME,
            0,
            -1,
            1,
            951_782_400_000_000,
            951_868_800_000_000,
            -62_135_596_800_000_000,
            253_402_300_799_999_999,
        ],
        *[
            4_107_456_000_000_000,
            -2_203_891_200_000_000,
            86_399_999_999,
            86_400_000_000,
            1_700_000_000_000_000,
            -86_400_000_001,
        ],
    ],
}
"""Values that went wrong somewhere: missing, extreme, adjacent, non-ASCII, on a boundary."""

_ARRAY: dict[Form, type] = {
    Form.NUMBERS: np.float32,
    Form.STRINGS: object,
    Form.TEXTS: object,
    Form.TIMES: np.int64,
}


def odd_columns(form: Form, n_rows: int = 40, n_columns: int = 2, seed: int = 0) -> Columns:
    """Columns of odd values, drawn at random, named ``c0``, ``c1``, ..."""
    drawn = np.random.default_rng(seed).integers(0, len(ODD[form]), (n_rows, n_columns))
    values: np.ndarray = np.empty((n_rows, n_columns), dtype=_ARRAY[form])
    for row, column in np.ndindex(n_rows, n_columns):
        values[row, column] = ODD[form][drawn[row, column]]
    return Columns(values, tuple(f"c{j}" for j in range(n_columns)), form)


def usual_numbers(n_rows: int = 40, n_columns: int = 2, seed: int = 0) -> Columns:
    """Columns of normal values, one in ten missing, named as those of `odd_columns`."""
    random = np.random.default_rng(seed)
    values = random.normal(10, 3, (n_rows, n_columns)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return Columns(values, tuple(f"c{j}" for j in range(n_columns)), Form.NUMBERS)


def model(fitted: FittedStep, inputs: Sequence[Columns]) -> bytes:
    """A fitted step as a model of its own."""
    return step_model(fitted, [columns.form for columns in inputs], [len(columns.names) for columns in inputs])


def apply(fitted: FittedStep, *inputs: Columns) -> np.ndarray:
    """Run a fitted step in a graph of its own: (n, len(fitted.names))."""
    session = open_session(model(fitted, inputs))
    output: np.ndarray = session.run(None, {f"x{i}": columns.values for i, columns in enumerate(inputs)})[0]
    return output


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in type, shape and every bit; any NaN is like any other."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def forms_of(step: Any) -> list[Form]:
    """The forms that a step takes with its parameters."""
    objection = getattr(step, "objection", lambda kind: None)
    return sorted({FORMS[kind] for kind in step.takes if objection(kind) is None})


class BrokenDuty(AssertionError):
    """A step does not keep what it promises."""


class NotAsked(Exception):
    """A duty that a step does not have, by what it declares; with the reason."""


def require(holds: object, why: str = "") -> None:
    """Also where Python runs without its assertions.

    Raises
    ------
    BrokenDuty
    """
    if not holds:
        raise BrokenDuty(why)


class StepDuties:
    """What `penstock.features.step.Step` and `FittedStep` promise: each method is a duty, which raises where it is broken."""

    @staticmethod
    def _fitted(step: Any, form: Form, **of: int) -> tuple[FittedStep, list[Columns]]:
        inputs = [odd_columns(form, seed=10 + i, **of) for i in range(step.arity)]
        target = Target(np.arange(len(inputs[0])) % 2, Task.BINARY)
        return step.fit(inputs, target, seed=7), inputs

    def test_it_declares_itself(self, step: Any) -> None:
        """Name, kinds, and a bound for each parameter of the constructor, whose defaults are inside."""
        require(step.name.isidentifier())
        require(step.takes)
        require(step.takes <= INPUT_KINDS)
        require(step.gives is None or step.gives in INPUT_KINDS)
        require(list(step.bounds) == list(defaults(type(step))))
        check_parameters(type(step)())
        require(type(step).__doc__)

    def test_the_constructor_only_stores(self, step: Any) -> None:
        """Parameters are attributes under their own names; nothing else is there before a fit, or after it."""
        require(set(vars(step)) == set(step.bounds))
        self._fitted(step, forms_of(step)[0])
        require(set(vars(step)) == set(step.bounds))

    def test_every_declared_bound_is_enforced_and_worded(self, step: Any) -> None:
        """A value just outside is refused with the parameter's name and what it must be."""
        for name, bound in step.bounds.items():
            for bad in bound.bad_values():
                try:
                    check_parameters(type(step)(**{name: bad}))
                except BadParameter as refused:
                    require(name in str(refused), f"{name} is not named where {bad!r} is refused")
                    require(str(bound) in refused.why, f"it is not said that {name} must be {bound}")
                else:
                    require(False, f"{name} = {bad!r} is taken, though it must be {bound}")

    def test_the_same_fit_gives_the_same_bytes(self, step: Any) -> None:
        """Nothing in the graph depends on the clock, on hashing or on an earlier fit."""
        for form in forms_of(step):
            (first, inputs), (second, _) = self._fitted(step, form), self._fitted(step, form)
            require(first.names == second.names)
            if form is Form.NUMBERS:  # beside the extremes of odd columns a random draw can be lost in rounding
                usual = [usual_numbers(seed=20 + i) for i in range(step.arity)]
                target = Target(np.arange(len(usual[0])) % 2, Task.BINARY)
                fits = [step.fit(usual, target, seed=7) for _ in range(2)]
                same = fits[0].names == fits[1].names
                same = same and (not fits[0].names or model(fits[0], usual) == model(fits[1], usual))
                require(same, "two fits of one table differ: draw random numbers from `seed`")
            if first.names:
                require(model(first, inputs) == model(first, inputs) == model(second, inputs))

    def test_outputs_have_the_names_and_the_type_that_are_declared(self, step: Any) -> None:
        """One name per column of the block; names begin with the column's; numbers are float32, never infinite."""
        for form in forms_of(step):
            fitted, inputs = self._fitted(step, form)
            if not fitted.names:
                continue
            output = apply(fitted, *inputs)
            require(output.shape == (len(inputs[0]), len(fitted.names)))
            require(all(name.startswith(inputs[0].names) for name in fitted.names))
            if (step.gives or form) in (Kind.NUMERIC, Form.NUMBERS):
                require(output.dtype == np.float32)
                require(not np.isinf(output).any())

    def test_a_batch_equals_its_rows_bit_for_bit(self, step: Any) -> None:
        """Each row's outputs depend on that row alone, also for values that were not there in the fit."""
        for form in forms_of(step):
            fitted, _ = self._fitted(step, form)
            if not fitted.names:
                continue
            fresh = [odd_columns(form, n_rows=37, seed=90 + i) for i in range(step.arity)]
            session = open_session(model(fitted, fresh))
            whole = session.run(None, {f"x{i}": columns.values for i, columns in enumerate(fresh)})[0]
            for row in range(len(fresh[0])):
                feeds = {f"x{i}": columns.values[row : row + 1] for i, columns in enumerate(fresh)}
                require(same_bits(session.run(None, feeds)[0], whole[row : row + 1]))

    def test_training_values_differ_from_serving_values_only_where_that_is_declared(self, step: Any) -> None:
        """A step is cross-fitted by declaration; its training values have the shape and type of its outputs."""
        for form in forms_of(step):
            fitted, inputs = self._fitted(step, form)
            require(isinstance(fitted, CrossFitted) is getattr(step, "cross_fitted", False))
            if isinstance(fitted, CrossFitted):
                require(fitted.training_values.shape == (len(inputs[0]), len(fitted.names)))
                require(fitted.training_values.dtype == np.float32)
                require(np.isfinite(fitted.training_values).all())

    def test_what_is_recalled_is_what_the_graph_makes(self, step: Any) -> None:
        """Bit for bit, when a row is seen first and when it is seen again."""
        for form in forms_of(step):
            fitted, _ = self._fitted(step, form)
            if not isinstance(fitted, Remembering) or not fitted.names:
                continue
            for rows in ({"n_rows": 5}, {"n_rows": 37}, {"n_rows": 37}):
                fresh = [odd_columns(form, seed=90 + i, **rows) for i in range(step.arity)]
                require(same_bits(fitted.recall(fresh), apply(fitted, *fresh)))

    def test_a_fit_leaves_its_inputs_alone(self, step: Any) -> None:
        """Other steps read the same arrays."""
        for form in forms_of(step):
            _, inputs = self._fitted(step, form)
            for i, columns in enumerate(inputs):
                require(same_bits(columns.values, odd_columns(form, seed=10 + i).values))

    def test_a_fitted_step_travels_between_processes(self, step: Any) -> None:
        """It pickles, and writes the same graph on the other side."""
        for form in forms_of(step):
            fitted, inputs = self._fitted(step, form)
            again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
            require(again.names == fitted.names)
            if fitted.names:
                require(model(again, inputs) == model(fitted, inputs))

    def test_the_graph_has_standard_operators_only(self, step: Any) -> None:
        """So that it runs in C++, a browser or a phone."""
        for form in forms_of(step):
            fitted, inputs = self._fitted(step, form)
            if fitted.names:
                proto = onnx.load_from_string(model(fitted, inputs))
                require({node.domain for node in proto.graph.node} <= {"", "ai.onnx", "ai.onnx.ml"})
                onnx.checker.check_model(proto)

    def test_it_can_stand_in_one_graph_with_trees(self, step: Any) -> None:
        """Learners and novelty write `TreeEnsembleRegressor` of ai.onnx.ml 3; a step must not need a version without it."""
        x = spox.argument(spox.Tensor(np.float32, ("n", 1)))
        leaf: dict[str, Any] = {"nodes_modes": ["LEAF"], "nodes_values": [0.0], "target_weights": [1.0]}
        numbers = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
        leaf |= {f"nodes_{name}": [0] for name in numbers} | {
            f"target_{name}": [0] for name in ("treeids", "nodeids", "ids")
        }
        trees = ml3.tree_ensemble_regressor(x, n_targets=1, **leaf)
        for form in forms_of(step):
            fitted, inputs = self._fitted(step, form)
            if fitted.names:
                blocks = [
                    spox.argument(spox.Tensor(ELEMENT[INPUT_OF[form]], ("n", len(columns.names)))) for columns in inputs
                ]
                named = {f"x{i}": block for i, block in enumerate(blocks)}
                both = spox.build({"trees": x, **named}, {"answer": trees, "features": fitted.emit(blocks)})
                open_session(both.SerializeToString())

    def test_one_row_and_a_column_without_values_can_be_fitted(self, step: Any) -> None:
        """Small tables end in an output or in no output, never in an error."""
        missing = {Form.NUMBERS: np.nan, Form.STRINGS: "", Form.TEXTS: "", Form.TIMES: MISSING_TIME}
        for form in forms_of(step):
            one = [odd_columns(form, n_rows=1, n_columns=1, seed=i) for i in range(step.arity)]
            nothing = [
                Columns(np.full((5, 1), missing[form], dtype=_ARRAY[form]), ("c0",), form) for _ in range(step.arity)
            ]
            for inputs in (one, nothing):
                target = Target(np.zeros(len(inputs[0]), np.int64), Task.BINARY)
                fitted = step.fit(inputs, target, seed=0)
                if fitted.names:
                    require(apply(fitted, *inputs).shape == (len(inputs[0]), len(fitted.names)))

    def test_columns_side_by_side_are_fitted_as_each_alone(self, step: Any) -> None:
        """What `columnwise` claims: neighbours do not change each other's outputs."""
        if not step.columnwise:
            raise NotAsked("this step looks at several columns together, and says so")
        for form in forms_of(step):
            both = odd_columns(form)
            target = Target(np.arange(len(both)) % 2, Task.BINARY)
            fitted = step.fit([both], target, seed=0)
            together = dict(zip(fitted.names, apply(fitted, both).T, strict=True)) if fitted.names else {}
            alone: dict[str, np.ndarray] = {}
            for j, name in enumerate(both.names):
                one = Columns(both.values[:, j : j + 1], (name,), form)
                fitted = step.fit([one], target, seed=0)
                if fitted.names:
                    alone.update(zip(fitted.names, apply(fitted, one).T, strict=True))
            require(together.keys() == alone.keys())
            require(all(same_bits(together[name], alone[name]) for name in alone))

    def test_what_it_declares_of_numbers_less_an_offset_is_true(self, step: Any) -> None:
        """What `shifted` claims: its outputs say the same, or are less the same offsets."""
        declared = getattr(step, "shifted", None)
        require(
            declared in (None, "free", "kept"),
            f"shifted is {declared!r}, and 'free', 'kept' or no such attribute are known",
        )
        if declared is None or Form.NUMBERS not in forms_of(step):
            return
        offsets = (4096.0, -1024.0, 0.0)
        dice = np.random.default_rng(5)
        numbers = dice.integers(-512, 512, (step.arity, 60, len(offsets))).astype(np.float32)
        numbers[:, 3::7, 0] = np.nan
        target = Target(np.arange(60) % 2, Task.BINARY)
        said = []
        for subtracted in ((), offsets):
            values = numbers - np.array(subtracted or 0.0, dtype=np.float32)
            inputs = [Columns(one, ("c0", "c1", "c2"), Form.NUMBERS, offsets=subtracted) for one in values]
            fitted = step.fit(inputs, target, seed=7)
            said.append((fitted.names, apply(fitted, *inputs) if fitted.names else np.empty((60, 0), np.float32)))
        (names, whole), (less_names, less) = said
        require(len(names) == len(less_names), f"outputs are {names}, and {less_names} less an offset")
        if declared == "kept":
            require(
                set(names) <= {"c0", "c1", "c2"} and names == less_names,
                f"{names} are no columns of the first argument",
            )
            less = less + np.array([offsets[int(name[1:])] for name in names], dtype=np.float32)
        require(np.allclose(whole, less, rtol=1e-3, atol=1e-3, equal_nan=True), "outputs differ less an offset")
