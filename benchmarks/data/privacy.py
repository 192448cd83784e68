"""Precision, recall and speed of the detection of personal data, on planted columns and texts: `python benchmarks/data/privacy.py`.

Scenario ids are permanent, data are seeded. Each kind has columns of its own (under a name that says nothing) and the same values
inside texts; beside them stand columns that look alike and are not: ids, amounts, counts, timestamps, ISBNs, versions, hashes.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

from penstock.data.privacy.detect import detect_column, recognisers

ROWS = 200
COLUMNS = 4  # of each kind, with other values


def luhn(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def digits(dice: random.Random, n: int, first: str = "") -> str:
    return first + "".join(dice.choices("0123456789", k=n - len(first)))


def checked(dice: random.Random, kind: str, make: Callable[[], str]) -> str:
    """A random value of a form, drawn until its check digits are right."""
    matches = next(one for one in recognisers() if one.name == kind).matches
    while True:
        value = make()
        if matches(value):
            return value


def day(dice: random.Random, first: int = 1930, last: int = 2005) -> tuple[int, int, int]:
    return dice.randint(first, last), dice.randint(1, 12), dice.randint(1, 28)


def makers(dice: random.Random) -> dict[str, Callable[[], str]]:
    def dated(form: str) -> str:
        y, m, d = day(dice)
        return form.format(y=y, yy=y % 100, m=m, d=d)

    def drawn(kind: str, make: Callable[[], str]) -> Callable[[], str]:
        return lambda: checked(dice, kind, make)

    def iban() -> str:
        body = digits(dice, 18)
        return f"DE{98 - int(body + '131400') % 97:02d}{body}"

    return {
        "email": lambda: (
            f"{dice.choice(['ada', 'bob', 'cy'])}.{digits(dice, 5)}@{dice.choice(['mail', 'web'])}.example.org"
        ),
        "phone": drawn("phone", lambda: f"+44 20 7{digits(dice, 3)} {digits(dice, 4)}"),
        "card": lambda: luhn(digits(dice, 15, "4")),
        "iban": iban,
        "ip": drawn("ip", lambda: ".".join(str(dice.randint(1, 254)) for _ in range(4))),
        "mac": lambda: ":".join(f"{dice.randrange(256):02X}" for _ in range(6)),
        "us_ssn": drawn("us_ssn", lambda: f"{digits(dice, 3)}-{digits(dice, 2)}-{digits(dice, 4)}"),
        "uk_nhs": drawn("uk_nhs", lambda: digits(dice, 10)),
        "uk_nino": drawn(
            "uk_nino", lambda: "".join(dice.choices("ABCEHJKLMPRSTWXY", k=2)) + digits(dice, 6) + dice.choice("ABCD")
        ),
        "de_idnr": drawn("de_idnr", lambda: _idnr(dice)),
        "es_dni": drawn("es_dni", lambda: digits(dice, 8) + dice.choice("TRWAGMYFPDXBNJZSQVHLCKE")),
        "nl_bsn": drawn("nl_bsn", lambda: digits(dice, 9)),
        "be_nn": drawn("be_nn", lambda: dated("{yy:02}{m:02}{d:02}") + digits(dice, 5)),
        "pl_pesel": drawn("pl_pesel", lambda: dated("{yy:02}{m:02}{d:02}") + digits(dice, 5)),
        "se_personnummer": drawn("se_personnummer", lambda: dated("{yy:02}{m:02}{d:02}-") + digits(dice, 4)),
        "br_cpf": drawn("br_cpf", lambda: digits(dice, 11)),
        "in_aadhaar": drawn("in_aadhaar", lambda: digits(dice, 12, dice.choice("23456789"))),
        "cn_ric": drawn(
            "cn_ric", lambda: "110105" + dated("{y}{m:02}{d:02}") + digits(dice, 3) + dice.choice("0123456789X")
        ),
        "no_fodselsnummer": drawn("no_fodselsnummer", lambda: dated("{d:02}{m:02}{yy:02}") + digits(dice, 5)),
        "ca_sin": drawn("ca_sin", lambda: digits(dice, 9, dice.choice("1234567"))),
        "date_of_birth": lambda: dated("{y}-{m:02}-{d:02}"),
        "geo": lambda: f"{dice.uniform(-60, 60):.5f}, {dice.uniform(-170, 170):.5f}",
    }


def _idnr(dice: random.Random) -> str:
    """Ten digits of which exactly one comes twice, and any check digit."""
    pool = list("0123456789")
    dice.shuffle(pool)
    pool[dice.randrange(1, 10)] = pool[0]
    dice.shuffle(pool)
    return "".join(pool) + dice.choice("0123456789")


def others(dice: random.Random) -> dict[str, Callable[[int], str]]:
    """Columns that are no personal data; each gets the number of the row."""

    def isbn(i: int) -> str:
        body = digits(dice, 9)
        check = -sum((10 - k) * int(d) for k, d in enumerate(body)) % 11
        return body + ("X" if check == 10 else str(check))

    return {
        **{f"id of {n} digits": lambda i, n=n: digits(dice, n, "7") for n in range(6, 20)},
        **{f"counted id of {n} digits": lambda i, n=n: str(10 ** (n - 1) + i) for n in range(6, 20)},
        "amount": lambda i: f"{dice.lognormvariate(8, 1):.2f}",
        "big amount": lambda i: str(int(dice.lognormvariate(20, 1))),
        "milliseconds": lambda i: str(1_700_000_000_000 + 977 * i),
        "timestamp": lambda i: f"2024-0{1 + i % 9}-1{i % 9}T{i % 24:02}:{i % 60:02}:00",
        "recent date": lambda i: f"202{i % 5}-0{1 + i % 9}-1{i % 9}",
        "isbn": isbn,
        "version": lambda i: f"{i % 5}.{i % 11}.{i % 7}.{i % 40}",
        "sha1": lambda i: f"{dice.getrandbits(160):040x}",
        "uuid": lambda i: f"{dice.getrandbits(32):08x}-{dice.getrandbits(16):04x}-4{dice.getrandbits(12):03x}-a{dice.getrandbits(12):03x}-{dice.getrandbits(48):012x}",
        "clock": lambda i: f"{i % 24:02}:{i % 60:02}:{i % 57:02}",
        "plate": lambda i: f"AB {digits(dice, 3)} CD",
        "product code": lambda i: f"{dice.choice('XYZ')}{digits(dice, 8)}",
        "text": lambda i: " ".join(dice.choices(["the", "order", "of", "two", "thousand", "parts", "was", "late", "again", "and", "nobody", "called"], k=9)),
        "text with numbers": lambda i: f"order {digits(dice, 8)} of {i % 28 + 1}.11.2024 costs {i}.50, see page {i % 90}",
    }  # fmt: skip


def measure() -> dict[str, object]:
    """Per kind: recall in columns and inside texts; false positives by column that is none; rows per second."""
    dice = random.Random(0)
    made = makers(dice)
    kinds: dict[str, dict[str, float]] = {}
    claimed: dict[str, int] = {}
    right: dict[str, int] = {}
    seconds, rows = 0.0, 0
    sought = {one.name for one in recognisers() if one.mask}

    def found(name: str, values: list[str]) -> list[str]:
        nonlocal seconds, rows
        start = time.perf_counter()
        one = detect_column(name, values)
        seconds += time.perf_counter() - start
        rows += len(values)
        if one is None or not one.must_be_decided:
            return []
        claimed[one.kind] = claimed.get(one.kind, 0) + 1
        return [evidence.kind for evidence in one.evidence]

    for kind, make in made.items():
        hits = [found("x", [make() for _ in range(ROWS)]) for _ in range(COLUMNS)]
        right[kind] = sum(bool(h) and h[0] == kind for h in hits)
        kinds[kind] = {"recall": right[kind] / COLUMNS, "any": sum(map(bool, hits)) / COLUMNS}
        if kind in sought:
            texts = []
            for _ in range(COLUMNS):
                lines = [f"please look at part {i % 40} of the order once more" for i in range(ROWS)]
                for i in range(0, ROWS, 20):  # in one text of twenty
                    lines[i] += f", it is {make()}, thanks"
                texts.append(found("x", lines))
            kinds[kind]["texts"] = sum(map(bool, texts)) / COLUMNS
    alarms = {}
    for name, other in others(dice).items():
        wrong = [h[0] for _ in range(COLUMNS) if (h := found("x", [other(i) for i in range(ROWS)]))]
        if wrong:
            alarms[name] = sorted(set(wrong))
    for kind in kinds:
        kinds[kind]["precision"] = right[kind] / claimed[kind] if claimed.get(kind) else float("nan")
    n_others = COLUMNS * len(others(dice))
    return {"kinds": kinds, "false_alarms": alarms, "other_columns": n_others, "rows_per_s": round(rows / seconds)}


if __name__ == "__main__":
    result = measure()
    print("| kind | recall | any kind found | inside texts |")
    print("|---|---|---|---|")
    for kind, figures in result["kinds"].items():  # type: ignore[attr-defined]
        texts = f"{figures['texts']:.0%}" if "texts" in figures else "not sought"
        print(f"| `{kind}` | {figures['recall']:.0%} | {figures['any']:.0%} | {texts} |")
    print(json.dumps({name: result[name] for name in ("false_alarms", "other_columns", "rows_per_s")}))
