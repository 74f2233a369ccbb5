"""What a role is in each profile: a file a role, opened for that role alone."""

import subprocess
import sys

import pytest

from tlhelpers.assets.table import asset
from tlhelpers.pretrained.published import hub_ids
from tlhelpers.roles import DATASETS, MODELS, DataSource, _Role, _Roles, source
from tlhelpers.yaml_files import YamlFileError, YamlFolder

# Runs in a process of its own: what another test has read is in memory, and not opened again.
WATCHED = """
import os, sys
opened = set()
def hear(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        opened.add(os.fspath(arguments[0]))
sys.addaudithook(hear)
{code}
for path in sorted(opened):
    folder, _, name = path.rpartition(os.sep)
    if path.endswith(".yaml") and "tlhelpers" in folder:
        print("opened", os.path.basename(folder), name)
"""


def yaml_files_opened_by(code):
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.format(code=code)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [line[7:] for line in done.stdout.splitlines() if line.startswith("opened ")]


def test_looking_a_role_up_opens_its_file_and_its_asset_only():
    code = (
        "from tlhelpers.roles import DATASETS, MODELS, source\n"
        "source(DATASETS, 'topics', 'full'), source(MODELS, 'encoder', 'tiny')\n"
        "assert 'google-bert/bert-base-uncased' not in MODELS and 'bart' in MODELS"
    )
    found = yaml_files_opened_by(code)
    assert [line for line in found if not line.startswith("table ")] == [
        "data topics.yaml",
        "models encoder.yaml",
    ]


@pytest.mark.real_assets("sentiment", "encoder")
def test_a_page_that_asks_for_two_roles_opens_the_files_of_no_others():
    code = (
        "import tlhelpers as tl\n"
        "tl.data('sentiment', profile='tiny', quiet=True)\n"
        "tl.load('encoder', profile='tiny', quiet=True)"
    )
    found = yaml_files_opened_by(code)
    assert [line for line in found if not line.startswith("table ")] == [
        "data sentiment.yaml",
        "models encoder.yaml",
    ]


GOOD = """\
tiny:
  name: film sentences
  kind: classification
  asset: sentiment
  reader: sentiment
  checked: opened by hand
full:
  name: IMDB
  kind: classification
  hub: stanfordnlp/imdb
  licence: not stated
  citation: A. Author (2011). A Paper.
  columns: {content: text}
  in_languages: [en, de]
  checked: page read
"""


def role_in(folder, text):
    (folder / "films.yaml").write_text(text, "utf-8")
    return _Roles(YamlFolder(folder, _Role[DataSource]))["films"]


def test_a_file_holds_both_profiles(tmp_path):
    role = role_in(tmp_path, GOOD)
    assert list(role) == ["tiny", "full"]
    assert role["full"].columns == {"content": "text"}
    assert role["full"].languages == ("en", "de")
    assert role["full"].has_language("de") and not role["full"].has_language("fr")
    assert role["tiny"].languages == ()
    assert role["tiny"].has_language("en") and not role["tiny"].has_language("de")


def test_licence_and_citation_are_those_of_the_asset(tmp_path):
    found = role_in(tmp_path, GOOD)["tiny"]
    assert found.licence == asset("sentiment").licence
    assert found.citation == asset("sentiment").citation
    assert MODELS["encoder"]["tiny"].licence == asset("encoder").licence


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  hub: stan",
            "  hubb: stan",
            "films.yaml: field 'full.hubb' is not known here (value: 'stan",
        ),
        ("  name: IMDB\n", "", "films.yaml: field 'full.name' is missing. Add it"),
        ("tiny:", "small:", "field 'small' is not known here"),
        (GOOD, "{}", "must have a source under tiny or full"),
        ("kind: class", "kind: klass", "field 'tiny.kind' should be 'classification', 'pairs'"),
        ("  licence: not stated\n", "", "field 'full' must give licence, as it names no asset"),
        ("asset: sentiment", "asset: sentimant", "not 'sentimant': analogies, biomedical, decoder"),
        ("asset: sentiment", "asset: legal\n  licence: MIT", "must not give licence: that stands"),
        ("  hub: stanfordnlp/imdb\n", "", "field 'full' must name either an asset or an id"),
        ("  reader: sentiment\n", "", "field 'tiny' must name a reader if it names an asset"),
    ],
)
def test_a_wrong_field_is_named_with_what_to_do(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(YamlFileError) as error:
        role_in(tmp_path, GOOD.replace(old, new, 1))
    assert message in str(error.value)


def test_a_path_is_no_role():
    for name in ("../data/sentiment", "google-bert/bert-base-uncased", "", 3):
        assert name not in MODELS


def test_an_unknown_role_is_refused_with_the_known_ones():
    with pytest.raises(LookupError, match=r"no role 'enocder'; the roles are .*encoder"):
        source(MODELS, "enocder", "tiny")


def test_a_role_of_the_other_profile_says_what_there_is_here():
    with pytest.raises(LookupError, match="'roberta' has nothing in the tiny profile") as error:
        source(MODELS, "roberta", "tiny")
    assert "encoder" in str(error.value)
    assert "profile='full'" in str(error.value)


@pytest.mark.parametrize("role", sorted(MODELS))
def test_a_model_role_has_id_licence_and_configuration(role):
    for profile, entry in MODELS[role].items():
        assert entry.hub.count("/") == 1
        assert entry.licence
        assert entry.checked
        assert entry.hub in hub_ids()
        assert (entry.asset is None) == (profile == "full")


@pytest.mark.parametrize("role", sorted(DATASETS))
def test_a_data_role_has_source_licence_and_citation(role):
    for profile, entry in DATASETS[role].items():
        assert (entry.hub is None) == (profile == "tiny")
        assert (entry.asset is None) == (profile == "full")
        assert entry.licence
        assert entry.citation
        assert entry.checked
