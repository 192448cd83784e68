"""A part of the ledger that is loaded when it is first used: starting a run needs hardly any of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar, final, overload

if TYPE_CHECKING:
    from penstock.ledger.database import Database

T = TypeVar("T")


class HasDatabase(Protocol):
    _database: Database


@final
class Part(Generic[T]):
    """An attribute that is a part of the ledger: made of its database once, at its first use.

    Parameters
    ----------
    name : of the class; its module is that of `penstock.ledger` with the name of the attribute, unless `module` is given.
    needs : attributes of the ledger that it is made of beside the database, in order.
    """

    def __init__(self, name: str, *, module: str = "", needs: tuple[str, ...] = ()) -> None:
        self._name, self._module, self._needs = name, module, needs

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute
        self._module = self._module or attribute.lstrip("_")

    @overload
    def __get__(self, ledger: None, owner: type) -> Self: ...
    @overload
    def __get__(self, ledger: HasDatabase, owner: type) -> T: ...
    def __get__(self, ledger: HasDatabase | None, owner: type) -> Self | T:
        if ledger is None:
            return self
        module = importlib.import_module(f"penstock.ledger.{self._module}")
        others = (getattr(ledger, need) for need in self._needs)
        made: T = getattr(module, self._name)(ledger._database, *others)
        # found there from now on, without coming here; of two threads that come at once, both get the first one's
        kept: T = vars(ledger).setdefault(self._attribute, made)
        return kept
