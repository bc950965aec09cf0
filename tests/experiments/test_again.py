import csv
import math

from chinchilla_lib.experiments.again import compare_with_record
from chinchilla_lib.experiments.main_sweep import MAIN
from chinchilla_lib.experiments.tables import runs_table
from chinchilla_lib.sweeps.simulate import simulate_run
from tests.experiments.small_truth import LAW

RECORDS = [simulate_run(config, LAW) for config in MAIN.parts_of("ci")[0].plan("c").configs]
ROWS = [record.to_row() for record in RECORDS]
RECORDED = list(csv.DictReader(runs_table({"a": RECORDS, "b": RECORDS[:3]}).splitlines()))


def test_runs_are_equal_to_what_was_recorded_of_them() -> None:
    found = compare_with_record(ROWS, RECORDED)
    assert (found.n_runs, found.n_recorded, found.n_equal, found.largest) == (42, 42, 42, 0)
    assert str(found) == "42 of 42 runs equal to the record to the last digit"
    younger = [{**row, "corrupted_fraction": ""} for row in RECORDED]
    assert compare_with_record(ROWS, younger) == found


def test_the_last_digit_counts() -> None:
    loss = float(ROWS[0]["loss"])
    near, far = (
        {**ROWS[0], "loss": math.nextafter(loss, 9)},
        {**ROWS[1], "loss": 0.25 + float(ROWS[1]["loss"])},
    )
    found = compare_with_record([near, *ROWS[1:]], RECORDED)
    assert found.n_equal == 41
    assert 0 < found.largest < 1e-14
    found = compare_with_record([near, far, *ROWS[2:]], RECORDED)
    assert str(found).startswith(
        "40 of 42 runs equal to the record to the last digit, losses differ by up to 0.25"
    )
    other = compare_with_record(ROWS, [{**row, "n_steps": 1} for row in RECORDED])
    assert (other.n_equal, other.largest) == (0, 0)


def test_runs_that_the_record_lacks_are_told() -> None:
    found = compare_with_record(ROWS, RECORDED[:40])
    assert str(found).endswith("to the last digit; 2 runs are not in the record")
    assert "none of the 42 runs is in the record" in str(compare_with_record(ROWS, []))
