"""The command ``tl``: what it prints, and what it returns to the shell."""

import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tlhelpers
from tlhelpers import cli
from tlhelpers.assets import fetching as assets
from tlhelpers.assets.fetching import AssetError
from tlhelpers.assets.table import asset, names


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("TL_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def fetched(cache):
    """The asset "sentiment", as if fetched: one file and its manifest."""
    folder = assets.folder_of("sentiment")
    folder.mkdir(parents=True)
    (folder / "film.txt").write_text("1\t2.3\tFine.\n")
    assets.write_manifest(folder)
    return folder


def tl(*arguments: str) -> subprocess.CompletedProcess:
    """Run ``tl`` in a process of its own, warnings of old names being errors."""
    options = ["-W", "error::DeprecationWarning", "-m", "tlhelpers.cli"]
    return subprocess.run([sys.executable, *options, *arguments], capture_output=True, text=True)


# --- help, version, usage -------------------------------------------------------------------------


def test_help_names_the_commands_and_the_settings():
    done = tl("--help")
    assert done.returncode == 0
    for word in ("assets", "train", "TL_CACHE", "PIP_INDEX_URL"):
        assert word in done.stdout


def test_help_does_not_wait_for_heavy_libraries():
    program = "import sys; from tlhelpers import cli; cli._parser([]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "tlhelpers.assets.fetching" in loaded
    assert not loaded & {"torch", "transformers", "numpy", "requests", "pypi_simple", "pydantic"}


def test_help_comes_at_once():
    """Seconds of the processor, not of the clock: other work may run beside this test."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    tl("--help")
    assert used() - before < 0.5


def test_version_is_that_of_the_package():
    assert tl("--version").stdout == f"tl {tlhelpers.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["assets"], ["nonsense"], ["assets", "fetch"], ["assets", "fetch", "--all", "--tiny"]],
)
def test_a_wrong_usage_returns_2_and_shows_the_right_one(arguments):
    done = tl(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: tl")
    assert not done.stdout


def test_a_failure_returns_1_with_a_message_and_no_traceback():
    done = tl("assets", "fetch", "nonsense")
    assert done.returncode == 1
    assert done.stderr.startswith("tl: There is no asset nonsense. Choose from: analogies,")
    assert "Traceback" not in done.stderr


# --- tl assets list -------------------------------------------------------------------------------


def test_list_shows_size_licence_origin_and_what_is_fetched(fetched, capsys):
    assert cli.main(["assets", "list"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == names()
    table = {row.split()[0]: row.split() for row in rows}
    assert table["sentiment"][1:4] == ["2.4", "yes", "MIT"]
    assert table["encoder"][1:4] == ["83.5", "no", "Apache-2.0"]
    assert [row.split()[-1] for row in rows] == [asset(name).origin for name in names()]


def test_list_of_a_name_shows_its_whole_entry(capsys):
    assert cli.main(["assets", "list", "encoder"]) == 0
    shown = capsys.readouterr().out
    entry = asset("encoder")
    for text in (entry.contents, entry.licence, entry.origin, entry.citation):
        assert text in shown
    for source in entry.sources:
        assert source.package in shown and source.sha256 in shown


# --- tl assets fetch ------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch, cache):
    """Names that ``fetch`` and the decoding of models are asked for."""
    asked_for = []

    def fetch(name, progress=True, *, again=False):
        asked_for.append(name + (" again" if again else "") + ("" if progress else " quietly"))
        return cache / name

    monkeypatch.setattr(cli, "fetch", fetch)
    monkeypatch.setattr(cli, "_decoded", lambda name: None)
    return asked_for


def test_fetch_takes_names_in_order(asked, cache, capsys):
    assert cli.main(["assets", "fetch", "topics", "g2p"]) == 0
    assert asked == ["topics", "g2p"]
    assert capsys.readouterr().out.splitlines()[0] == f"topics: {cache / 'topics'}"


def test_fetch_all_takes_every_asset(asked):
    assert cli.main(["assets", "fetch", "--all", "--quiet", "--again"]) == 0
    assert asked == [f"{name} again quietly" for name in names()]


def test_fetch_tiny_takes_what_the_roles_of_the_tiny_profile_use(asked):
    assert cli.main(["assets", "fetch", "--tiny"]) == 0
    assert {"encoder", "sentiment"} <= set(asked) <= set(names())


def test_a_wrong_name_is_found_before_anything_is_fetched(asked, capsys):
    assert cli.main(["assets", "fetch", "topics", "nonsense"]) == 1
    assert asked == []
    assert "no asset nonsense" in capsys.readouterr().err


def test_fetch_decodes_a_model_too(monkeypatch, capsys):
    from tlhelpers.pretrained import from_assets

    monkeypatch.setattr(cli, "fetch", lambda name, **_: Path("raw"))
    monkeypatch.setattr(from_assets, "decoder_folder", lambda: Path("for transformers"))
    assert cli.main(["assets", "fetch", "decoder"]) == 0
    assert capsys.readouterr().out == "decoder: for transformers\n"


def test_an_error_while_fetching_is_shown(monkeypatch, capsys):
    def fetch(name, **_):
        raise AssetError("The disk is full.")

    monkeypatch.setattr(cli, "fetch", fetch)
    assert cli.main(["assets", "fetch", "g2p"]) == 1
    assert capsys.readouterr().err == "tl: The disk is full.\n"


# --- tl assets verify -----------------------------------------------------------------------------


def test_verify_covers_what_is_fetched(fetched, capsys):
    assert cli.main(["assets", "verify"]) == 0
    assert capsys.readouterr().out == "sentiment: whole\n"


def test_verify_names_the_damage_and_the_cure(fetched, capsys):
    (fetched / "film.txt").write_text("changed")
    assert cli.main(["assets", "verify"]) == 1
    error = capsys.readouterr().err
    assert f"changed: {fetched / 'film.txt'}" in error
    assert "tl assets fetch --again sentiment" in error


def test_verify_of_nothing_says_so(capsys):
    assert cli.main(["assets", "verify"]) == 0
    assert "Nothing is fetched yet" in capsys.readouterr().out
    assert cli.main(["assets", "verify", "encoder"]) == 1
    assert "not fetched. Run: tl assets fetch encoder" in capsys.readouterr().err


# --- tl train -------------------------------------------------------------------------------------


def test_train_hands_the_recipe_to_its_module(monkeypatch):
    recipes = ModuleType("tlhelpers.recipes")
    seen = []

    def add_parser(commands):
        parser = commands.add_parser("train")
        parser.add_argument("recipe")
        parser.set_defaults(run=lambda options: seen.append(options.recipe))

    recipes.add_parser = add_parser
    monkeypatch.setitem(sys.modules, "tlhelpers.recipes", recipes)
    monkeypatch.setattr(cli, "find_spec", lambda _: object())
    assert cli.main(["train", "recipe.yaml"]) == 0
    assert seen == ["recipe.yaml"]


def test_train_without_its_module_fails_with_a_message(monkeypatch, capsys):
    monkeypatch.setattr(cli, "find_spec", lambda _: None)
    assert cli.main(["train", "recipe.yaml"]) == 1
    assert "cannot train from recipes" in capsys.readouterr().err
