"""The registry: model name -> numbered versions, and aliases such as ``champion``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, final

from penstock.errors import NotFound
from penstock.ledger.clock import now_text
from penstock.ledger.database import Database
from penstock.ledger.schema import insert, json_value, put_many, read, update

CHANGEABLE = frozenset({"report", "passed", "overrides", "metrics"})
_THIS = "name = :of AND version = :at"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One numbered version of a model.

    Attributes
    ----------
    run : the run that made it. `dataset` : digest of the data-set version it was trained on.
    bundle, report : digests. `passed` : whether its gates let it through, or an override did.
    overrides : what was overridden, by whom and why; shown in every report and card.
    details : whatever the stages after registration added.
    """

    name: str
    version: int
    run: str
    bundle: str
    report: str | None
    passed: bool
    overrides: list[dict[str, Any]]
    dataset: str
    metrics: dict[str, Any]
    created_at: str
    details: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def is_forgotten(self) -> bool:
        """Whether bundle and report went with the version of the data that it was trained on (`penstock data forget`)."""
        return "forgotten" in self.details

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self)}


@final
class Registry:
    """Models in the ledger. Version numbers start at 1, have no gaps, and are never used again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self,
        name: str,
        run_id: str,
        bundle: str,
        report: str | None = None,
        *,
        passed: bool,
        overrides: list[dict[str, Any]] | None = None,
        dataset: str,
        metrics: dict[str, Any] | None = None,
    ) -> int:
        """Record a new version and return its number."""
        with self._database.write() as connection:
            newest = connection.value("SELECT max(version) FROM model_versions WHERE name = :name", name=name)
            version: int = (newest or 0) + 1
            row = {
                "name": name,
                "version": version,
                "run": run_id,
                "bundle": bundle,
                "report": report,
                "passed": passed,
                "overrides": overrides or [],
                "dataset": dataset,
                "metrics": metrics or {},
                "details": {},
                "created_at": now_text(),
            }
            insert(connection, "model_versions", row)
        return version

    def names(self) -> list[str]:
        """All model names, sorted."""
        with self._database.read() as connection:
            return sorted(connection.values("SELECT DISTINCT name FROM model_versions"))

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, oldest first; none for an unknown name."""
        query = "SELECT * FROM model_versions WHERE name = :name ORDER BY version"
        with self._database.read() as connection:
            return [ModelVersion(**read("model_versions", row)) for row in connection.all(query, name=name)]

    def get(self, name: str, version: int | str) -> ModelVersion:
        """A version, by number (also as text) or by alias.

        Raises
        ------
        NotFound : no such model, version or alias; the message names the nearest.
        """
        text = str(version)
        number = int(text) if text.isdecimal() else self.aliases(name).get(text)
        row = None
        if number is not None:
            with self._database.read() as connection:
                row = connection.one(f"SELECT * FROM model_versions WHERE {_THIS}", of=name, at=number)
        if row is None:
            raise self._absent(name, text)
        return ModelVersion(**read("model_versions", row))

    def update(self, name: str, version: int, **fields: Any) -> ModelVersion:
        """Change `report`, `passed`, `overrides` or `metrics` of a version; any other name goes into its `details`.

        Raises
        ------
        NotFound : no such version.
        """
        found = self.get(name, version)
        with self._database.write() as connection:
            this = {"of": name, "at": found.version}
            details = json_value(connection.value(f"SELECT details FROM model_versions WHERE {_THIS}", **this)) or {}
            details |= {key: value for key, value in fields.items() if key not in CHANGEABLE}
            values = {key: value for key, value in fields.items() if key in CHANGEABLE}
            update(connection, "model_versions", {"details": details, **values}, _THIS, **this)
        return self.get(name, version)

    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> version of a model."""
        query = "SELECT alias, version FROM model_aliases WHERE name = :name ORDER BY alias"
        with self._database.read() as connection:
            return {row.alias: row.version for row in connection.all(query, name=name)}

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Let an alias mean a version from now on; None removes it.

        Raises
        ------
        NotFound : no such version.
        """
        if version is not None:
            self.get(name, version)
        with self._database.write() as connection:
            if version is None:
                connection.execute("DELETE FROM model_aliases WHERE name = :n AND alias = :a", n=name, a=alias)
            else:
                put_many(connection, "model_aliases", [{"name": name, "alias": alias, "version": version}])

    def _absent(self, name: str, version: str) -> NotFound:
        versions = self.versions(name)
        if not versions:
            import difflib

            near = difflib.get_close_matches(name, self.names(), 1, cutoff=0.0)
            return NotFound(
                f"there is no model {name!r}",
                why=f"the nearest is {near[0]!r}" if near else "no model has been registered yet",
                way_out=f"write {near[0]!r}" if near else "make one with `penstock run`",
            )
        known = ", ".join([*(str(v.version) for v in versions[-5:]), *self.aliases(name)])
        return NotFound(
            f"model {name!r} has no version {version!r}",
            why=f"the newest versions and the aliases are: {known}",
            way_out=f"write {name}@{versions[-1].version}, or list all with `penstock models`",
        )
