"""The rules on columns and on the table as a whole. Ids are permanent; each docstring is its documentation."""

from __future__ import annotations


class AbsentColumn:
    """A column that the contract names is not in the file.

    What it does
        Looks for each column of the contract that is not `optional`.
    Why it matters
        An absent column is missing in every row: whatever was learned from it is lost, and nothing else says so.
    Example that fails
        `age` is called `Age` since the last export.
    What to do
        Have the column written, under its name. Where it may be absent, write `optional = true`; where it is gone for good,
        remove its table.
    Reference
        Polyzotis et al. (2019), Data validation for machine learning, MLSys.
    """

    id = "contract-absent-column"


class NewColumn:
    """The file has a column that the contract does not name.

    What it does
        Looks for columns without a table in the contract, unless it says `new_columns = "allow"`.
    Why it matters
        A new column becomes an input of the next model. It may hold personal data, or be known only after the outcome.
    Example that fails
        The export has a column `call_result`, which says how the call ended that is to be predicted.
    What to do
        Learn what it means. Add a table for it, or name it in `[data] drop`, or write `new_columns = "allow"`.
    Reference
        Kaufman et al. (2012), Leakage in data mining, ACM TKDD 6(4).
    """

    id = "contract-new-column"


class Missing:
    """More values are missing than the contract allows.

    What it does
        Divides the rows without a value (empty, or one of the markers under `missing`) by all rows. It breaks above
        `missing_at_most`.
    Why it matters
        A sudden gap is mostly a broken join or a sensor that is off; a model fills it with what was usual before.
    Example that fails
        `income` was missing in 2 % of the rows, and is in 31 %.
    What to do
        Ask the source. Where so many gaps are to be expected from now on, raise the share.
    Reference
        Schelter et al. (2018), Automating large-scale data quality verification, VLDB 11(12).
    """

    id = "contract-missing"


class Unique:
    """Values occur twice where each row must have its own.

    What it does
        Remembers 64 bits of every value of a column that is `unique = true` and counts rows whose value came before. Two
        different values are taken for one with a chance of about n^2 / 2^65. It breaks where the rows are a larger share
        than `exceptions`.
    Why it matters
        Rows that come twice weigh twice, and one of them may test what the other has taught. Joins by such a column
        multiply rows.
    Example that fails
        An export was appended to itself: every `invoice` occurs twice.
    What to do
        Remove what is repeated. Where rows may share a value, write `unique = false`.
    Reference
        Schelter et al. (2018), Automating large-scale data quality verification, VLDB 11(12).
    """

    id = "contract-unique"


class Fresh:
    """The newest value of a time column is too old.

    What it does
        Compares the newest instant of the column with now. It breaks where it lies further back than `newest_within`.
    Why it matters
        A job that stopped keeps delivering last month's file, and everything looks as it did.
    Example that fails
        `booked_at` is to hold instants of the last two days, and the newest is 9 days old.
    What to do
        Start again whatever writes the file. Where it comes less often, raise `newest_within`.
    Reference
        Breck et al. (2017), The ML Test Score, IEEE Big Data.
    """

    id = "contract-fresh"


class RowCount:
    """The file has fewer or more rows than the contract allows.

    What it does
        Counts the rows of the whole file and compares with `rows_at_least` and `rows_at_most`.
    Why it matters
        A file that was cut while it was written is a good file of half the length.
    Example that fails
        At least 40,000 rows are expected; the disk was full after 12,388.
    What to do
        Have the file written again. Where the number is right, widen the bound.
    Reference
        Schelter et al. (2018), Automating large-scale data quality verification, VLDB 11(12).
    """

    id = "contract-rows"


class Compared:
    """Two columns that do not stand to each other as a rule of the contract says.

    What it does
        Compares two numbers or two instants of each row that has both. It breaks where rows that do not keep the rule are a
        larger share than its `exceptions`.
    Why it matters
        What ends before it starts was entered wrongly, or its columns were exchanged.
    Example that fails
        `that = "ordered <= delivered"`, and 25 rows were delivered first.
    What to do
        Look at the rows that are named. Where they are right, allow `exceptions` or remove the rule.
    Reference
        Schelter et al. (2018), Automating large-scale data quality verification, VLDB 11(12).
    """

    id = "contract-rule"


class OtherReading:
    """The contract reads a column in one way, and the data set in another.

    What it does
        Where the declared kind, marks or formats of a column are not those by which the data set will read it (what `[data]` says, or else
        what the version before has), reads each value in both ways. It breaks where more than 5 % of the rows hold what the contract reads
        and the data set cannot, or reads as another value.
    Why it matters
        Such a file keeps the contract and loses the column: a value that cannot be read counts as missing.
    Example that fails
        The contract was told that `price` has decimal commas, the data set still reads it with points.
    What to do
        Write the same in both: the line of the declaration, or of the contract, is told.
    Reference
        Polyzotis et al. (2019), Data validation for machine learning, MLSys.
    """

    id = "contract-reading"


WHOLE_RULES = (AbsentColumn, NewColumn, Missing, Unique, Fresh, RowCount, Compared, OtherReading)
