import math
from pathlib import Path

import numpy as np
import pytest

from tlhelpers.evidence.recorded import Recorded, ResultsError, Right, read_content, recorded
from tools.sweep.plan import RESULTS, limit_minutes
from tools.sweep.record import two_core_minutes, write_content

POINTS = [
    {
        "parameters": {"method": method, "labels": labels, "seed": seed},
        "values": {"accuracy": base + 0.01 * seed + labels / 100_000},
        "seconds": 1.0,
        "environment": 0,
    }
    for method, base in (("frozen", 0.7), ("full", 0.8))
    for labels in (100, 2000)
    for seed in range(5)
]
HERE = {"processor": "a processor", "cores": 2, "threads": 2, "versions": {}, "commit": "abc"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = {"sweep": "10-x", "code": "c", "environments": [HERE], "points": POINTS}
    write_content(tmp_path / "10-x.json", content)
    return tmp_path


@pytest.fixture
def sweep(folder) -> Recorded:
    return recorded("10-x", folder)


def test_one_seed_has_no_interval(sweep):
    row = sweep.summary(["method"], where={"labels": 100, "seed": 0}).iloc[0]
    assert (row.low, row.high, row.seeds) == (-math.inf, math.inf, 1)


def test_points_come_as_a_table_with_where_they_were_measured(sweep):
    assert len(sweep.points) == 20
    assert sweep.parameters == ("method", "labels", "seed") and sweep.values == ("accuracy",)
    assert sweep.meta["processor"] == "a processor"
    assert sweep.meta["seeds"] == 5 and sweep.meta["seconds"] == 20
    assert "20 points" in repr(sweep)


def test_summary_gives_mean_interval_and_number_of_seeds(sweep):
    table = sweep.summary(["method", "labels"])
    row = table[(table.method == "full") & (table.labels == 2000)].iloc[0]
    assert row["mean"] == pytest.approx(0.84)
    assert row.low < row["mean"] < row.high and row.seeds == 5


def test_summary_refuses_to_mix_settings(sweep):
    with pytest.raises(ResultsError, match="labels varies"):
        sweep.summary(["method"])
    assert len(sweep.summary(["method"], where={"labels": 100})) == 2


def test_a_difference_is_taken_seed_by_seed(sweep):
    where = {"method": "full", "labels": 2000}
    assert sweep.statistic("accuracy", where, {"method": "frozen"}, "low") == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("where", "message"),
    [({"metod": "full"}, "no parameter 'metod'"), ({"method": "ful"}, "There are: frozen, full")],
)
def test_a_wrong_selection_says_what_there_is(sweep, where, message):
    with pytest.raises(ResultsError, match=message):
        sweep.select(where)


def test_an_unknown_value_says_what_there_is(sweep):
    with pytest.raises(ResultsError, match="It has: accuracy"):
        sweep.statistic("f1", {"method": "full", "labels": 100})


def test_an_unknown_sweep_says_how_to_make_it(folder):
    with pytest.raises(ResultsError, match="make results CHAPTER=11"):
        recorded("11-x", folder)


def test_a_number_edited_by_hand_is_found(folder):
    path = folder / "10-x.json"
    text = path.read_text()
    assert "0.84" in text
    path.write_text(text.replace("0.84", "0.94", 1))
    with pytest.raises(ResultsError, match="checksum"):
        recorded("10-x", folder)


def test_an_edited_file_is_read_anew(folder, sweep):
    content = read_content(folder / "10-x.json")
    content["points"] = content["points"][:5]
    write_content(folder / "10-x.json", content)
    assert len(recorded("10-x", folder).points) == 5


def of_texts(bits, texts=("a", "b", "c", "d")):
    return Right.of(bits, texts)


def test_which_texts_were_right_survives_storage():
    bits = np.random.default_rng(0).random(1_003) < 0.7
    right = Right.of(bits, [str(number) for number in range(1_003)])
    again = Right.from_stored(right.stored(), 1_003)
    assert (again.bits == bits).all() and again.texts == right.texts
    assert right.share == bits.mean()


def test_the_digest_of_the_texts_knows_their_order():
    assert of_texts([1, 1, 0, 0]).texts != of_texts([1, 1, 0, 0], ("b", "a", "c", "d")).texts
    with pytest.raises(ValueError, match=r"one answer a text \(4\)"):
        of_texts([1, 0])


@pytest.fixture
def paired(tmp_path) -> Recorded:
    """Two methods, three seeds, four texts; the second was tested on others with 2,000 labels."""
    points, sets = [], {}
    for method, labels, bits, texts in [
        ("frozen", 100, [1, 0, 0, 0], "abcd"),
        ("full", 100, [1, 1, 0, 0], "abcd"),
        ("full", 2000, [1, 1, 1, 0], "abce"),
        ("mean", 100, None, "abcd"),
    ]:
        for seed in range(3):
            parameters = {"method": method, "labels": labels, "seed": seed}
            point = {"parameters": parameters, "values": {"accuracy": 0.5}, "seconds": 1.0}
            points.append(point | {"environment": 0})
            if bits:
                right = of_texts(bits, tuple(texts))
                sets[right.texts] = 4
                points[-1]["right"] = {"accuracy": right.stored()}
    content = {"sweep": "10-p", "code": "c", "environments": [HERE], "points": points}
    write_content(tmp_path / "10-p.json", content | {"test_sets": sets})
    return recorded("10-p", tmp_path)


def test_methods_are_compared_text_by_text(paired):
    where = {"method": "full", "labels": 100}
    interval = paired.measurement("accuracy", where, minus={"method": "frozen"}).interval
    assert interval.mean == 0.25 and interval.n == 3
    assert interval.low < 0 < interval.high, "one text in four is little evidence"
    seeds, bits, _ = paired.right("accuracy", where)
    assert seeds == [0, 1, 2] and bits.tolist() == [[True, True, False, False]] * 3


def test_scores_on_other_texts_are_paired_by_seed_only(paired):
    where = {"method": "full", "labels": 100}
    for minus in ({"labels": 2000}, {"method": "mean"}):
        assert paired.measurement("accuracy", where, minus=minus).covers == "3 seeds"
    assert paired.measurement("accuracy", where).covers == "3 seeds and 4 texts"
    with pytest.raises(ResultsError, match="is not recorded for 'accuracy'"):
        paired.right("accuracy", {"method": "mean", "labels": 100})


# The recorded sweeps of the book ---------------------------------------------------------------

RECORDED = sorted(RESULTS.glob("*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_sweeps_are_as_measured_and_have_five_seeds(path):
    sweep = recorded(path.stem)
    points = sweep.points
    # Choosing a setting on validation data is no result. Counting pieces, and looking for the
    # nearest of all translations, draw nothing at random: languages stand in the place of seeds.
    # Nor does the largest memory of a process: whatever numbers it holds, they are as many.
    # A prompt without examples has nothing to draw.
    exempt = ["tune", "pieces", "nouns", "sentences", "memory", "zero", "untuned"]
    points = points[~points["stage"].isin(exempt)] if "stage" in points else points
    settings = [name for name in sweep.parameters if name != "seed"]
    groups = points.groupby(settings, dropna=False) if settings else [((), points)]
    for setting, rows in groups:
        assert rows.seed.nunique() >= 5, f"{path.name}: {setting} has {rows.seed.nunique()} seeds"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_sweeps_keep_to_their_time(path):
    assert two_core_minutes(read_content(path)) <= limit_minutes(path.stem)
