"""A listing runs by itself, once for each state of what it reads, and its score is kept."""

import pytest

from tools.execution import listings
from tools.project import Project, UserError

GOOD = """\
from pathlib import Path

assert not any(Path.cwd().iterdir()), "an empty folder of its own"
Path("model.txt").write_text("weights")
print("loss 3 %")
print(f"{0.8125:.1%} of the test texts right")
"""


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "checkout")
    path = project.listing("10-demo")
    path.parent.mkdir(parents=True)
    path.write_text(GOOD)
    return project


def test_a_listing_runs_once_until_it_changes(project, capsys):
    assert listings.main([], project) == 0
    assert "ran        10-demo: 81.2%" in capsys.readouterr().out
    assert listings.main(["10"], project) == 0
    assert "unchanged  10-demo: 81.2%" in capsys.readouterr().out
    project.listing("10-demo").write_text(GOOD.replace("0.8125", "0.5"))
    assert listings.why_stale(project, "10-demo", "tiny") == "book/listings/10-demo.py changed"


def test_a_listing_that_fails_shows_its_error_and_keeps_no_score(project, capsys):
    project.listing("10-demo").write_text("1 / 0\n")
    assert listings.main([], project) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert listings.why_stale(project, "10-demo", "tiny") == "never run"


def test_a_listing_that_prints_no_score_last_is_told_so(project, capsys):
    project.listing("10-demo").write_text(GOOD + "print('saved')\n")
    assert listings.main([], project) == 1
    assert "the last line printed is 'saved'" in capsys.readouterr().out


def test_the_score_is_the_share_in_the_last_line():
    assert listings.printed_score("1 %\n83.3% of the test texts right\n") == 0.833
    with pytest.raises(UserError, match="End with a score"):
        listings.printed_score("")


def test_an_unknown_listing_is_named_with_those_that_exist(project, capsys):
    assert listings.main(["11"], project) == 2
    assert "10-demo" in capsys.readouterr().err


@pytest.mark.parametrize("name", listings.names(Project()))
def test_what_a_listing_says_about_own_data_gives_the_same_splits(name, tmp_path, monkeypatch):
    """The lines of its last comment run, and give what `tl.data` gives."""
    lines = Project().listing(name).read_text("utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("# On your own data"))
    code = [line.removeprefix("# ") for line in lines[begin:] if "=" in line or "import" in line]
    if not code:
        pytest.skip("it reads no labelled texts")
    rows = "".join(f"text {i},{i % 2}\n" for i in range(20))
    for table in ("mine", "english", "hindi"):
        (tmp_path / f"{table}.csv").write_text(f"text,label\n{rows}", "utf-8")
    for split in "abc":
        row = '{"tokens": ["a", "word"], "tags": ["DET", "NOUN"]}\n'
        (tmp_path / f"{split}.jsonl").write_text(row * 5, "utf-8")
    (tmp_path / "mine.txt").write_text("A paragraph.\n" * 20, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    names = {}
    exec("\n".join(code), names)
    used = {split for split in ("train", "validation", "test") if f'"{split}"' in "\n".join(lines)}
    columns = {"tagged": {"tokens", "tags"}, "news": {"text"}}
    kinds = ("reviews", "english", *columns)
    ((own, wanted),) = (
        (names[kind], columns.get(kind, {"text", "label"})) for kind in kinds if kind in names
    )
    assert used <= set(own)
    for split in used:
        assert wanted <= set(own[split].column_names)
        assert len(own[split])
