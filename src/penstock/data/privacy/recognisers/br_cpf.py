"""`br_cpf`: Brazilian tax numbers of persons."""

from __future__ import annotations

from typing import final

from penstock.data.privacy.judging import by_values
from penstock.data.privacy.recogniser import NUMBERS, Column, Evidence


@final
class BrCpf:
    """Brazilian tax numbers of persons (CPF).

    What it finds
        Eleven digits of which the last two are right modulo 11; one number in a hundred has them by chance.
    How sure it is
        High where most values pass.
    Example
        `390.533.447-05`
    What to do
        `hash`, where it joins rows; else `drop`.
    Reference
        Receita Federal, Instrução Normativa RFB 1548/2015.
    """

    name = "br_cpf"
    says = "Brazilian tax numbers (CPF)"
    action = "hash"
    hint = r"cpf"
    mask = r"(?<![0-9])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?![0-9])"
    needs = NUMBERS
    examples = ("390.533.447-05", "39053344705")
    others = ("390.533.447-06", "23100299900")

    def matches(self, text: str) -> bool:
        from stdnum.br.cpf import is_valid

        return bool(is_valid(text))

    def judge(self, column: Column) -> Evidence | None:
        return by_values(self, column, shape=r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}", proof="checksum")
