import numpy as np
import pytest
from astropy.table import QTable

from coronx.errors import InputError
from coronx.models.companions import COMPANIONS
from coronx.models.flux_products import CANDIDATES, LIMITS
from coronx.models.tables import Column, with_error, write_table

COLUMNS = [Column("yes", "uint8", "", "Whether"), *with_error("east", "arcsec", "Place")]


@pytest.fixture
def table():
    made = np.zeros(2, [(c.name, c.kind) for c in COLUMNS])
    made["yes"], made["east"] = (1, 0), (0.5, np.nan)
    return made


def test_a_table_comes_back_with_units_and_descriptions(tmp_path, table):
    path = write_table(tmp_path / "t.ecsv", table, COLUMNS)
    read = QTable.read(path)
    assert read["yes"].tolist() == [True, False]
    np.testing.assert_array_equal(read["east"].to_value("arcsec"), [0.5, np.nan])
    assert read["east"].info.description == "Place"
    assert read["east_sigma"].info.description == "Its 1-sigma error"


def test_an_older_table_is_replaced_and_nothing_else_is_left(tmp_path, table):
    write_table(tmp_path / "t.ecsv", table, COLUMNS)
    write_table(tmp_path / "t.ecsv", table[:1], COLUMNS)
    assert len(QTable.read(tmp_path / "t.ecsv")) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["t.ecsv"]


def test_half_a_table_is_none(tmp_path, table):
    write_table(tmp_path / "t.ecsv", table, COLUMNS)
    with pytest.raises(ValueError, match="no field"):
        write_table(tmp_path / "t.ecsv", table, [*COLUMNS, Column("more", "float64", "", "")])
    assert len(QTable.read(tmp_path / "t.ecsv")) == 2
    with pytest.raises(InputError, match="cannot write"):
        write_table(tmp_path / "none" / "t.ecsv", table, COLUMNS)


@pytest.mark.parametrize("columns", [CANDIDATES, COMPANIONS, LIMITS])
def test_every_column_is_told(columns):
    assert len({column.name for column in columns}) == len(columns)
    assert all(column.description for column in columns)
