"""The table: each entry is checked on reading, and the real archives keep what it promises."""

import re
import subprocess
import sys

import pytest

from tests.assets.made import pinned
from tlhelpers.assets import table
from tlhelpers.assets.fetching import fetch, verify
from tlhelpers.assets.table import asset, names
from tlhelpers.yaml_files import YamlFileError


@pytest.mark.parametrize("name", names())
def test_every_entry_is_pinned_and_says_where_it_comes_from(name):
    entry = asset(name)
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert entry.contents.endswith(".") and entry.citation.endswith(".") and entry.licence
    assert re.match("https?://", entry.origin)
    for source in entry.sources:
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert source.version in source.filename
        assert source.kind == ("wheel" if source.filename.endswith(".whl") else "sdist")
        assert source.size > 0 and source.unpacked > 0 and source.members
        unwanted = (".py", ".marshal", ".pkl", ".so", "*.c")
        assert not any(pattern.endswith(unwanted) for pattern in source.members)


def test_an_entry_comes_back_as_it_was_written(register):
    written = register(pinned(b"an archive"))
    assert names() == ["made"]
    assert asset("made") == written


def test_one_entry_is_read_without_the_others(register):
    register(pinned(b"an archive"))
    (table.FOLDER / "broken.yaml").write_text("contents: [")
    assert names() == ["broken", "made"]
    assert asset("made").licence == "MIT"


def test_importing_the_table_reads_no_entry():
    program = """
        import sys
        opened = []
        sys.addaudithook(lambda event, given: event == "open" and opened.append(str(given[0])))
        from tlhelpers.assets import table
        assert not [path for path in opened if path.endswith(".yaml")], opened
        table.asset("encoder")
        assert [path[-12:] for path in opened if path.endswith(".yaml")] == ["encoder.yaml"], opened
    """
    program = "\n".join(line.strip() for line in program.splitlines())
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"licence": "MIT", ', "", "made.yaml: field 'licence' is missing. Add it"),
        ('"sha256": "', '"sha256": "x', "field 'sources.0.sha256' should match pattern"),
        ('"size": 10', '"size": 0', "'sources.0.size' should be greater than 0 (value: 0)"),
        (
            '"1.0"',
            "1.0",
            "'sources.0.version' should be a valid string (value: 1.0). Put",
        ),
        ('"1.0"', '"2.0"', "'sources.0' filename 'pack-1.0-py3-none-any.whl' is not of version"),
        ("data/*", "*.py", "'sources.0' members ['pack/*.py'] ask for code; take data only"),
        ("https://", "see ", "field 'origin' should match pattern"),
        ("Made here.", "Made here", "field 'contents' should match pattern"),
        ('"package"', '"packet"', "'sources.0.packet' is not known here (value: 'pack'). Use one"),
    ],
)
def test_a_wrong_entry_names_file_field_value_and_remedy(register, old, new, message):
    register(pinned(b"an archive"))
    path = table.FOLDER / "made.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(YamlFileError) as raised:
        asset("made")
    assert message in str(raised.value)


def real(name: str, *rest):
    """A case that needs the real asset in the cache."""
    return pytest.param(name, *rest, marks=pytest.mark.real_assets(name))


@pytest.mark.parametrize(
    ("name", "file", "encoding", "lines"),
    [
        real("sentiment", "movieReviewSnippets_GroundTruth.txt", "latin-1", 10_605),
        real("sentiment", "amazonReviewSnippets_GroundTruth.txt", "latin-1", 3_708),
        real("sentiment", "nytEditorialSnippets_GroundTruth.txt", "latin-1", 5_190),
        real("sentiment", "tweets_GroundTruth.txt", "latin-1", 4_200),
        real("analogies", "questions-words.txt", "utf-8", 19_544 + 14),  # with section titles
        real("analogies", "simlex999.txt", "utf-8", 999 + 2),  # with two lines of comment
        real("analogies", "wordsim353.tsv", "utf-8", 353 + 2),
    ],
)
def test_a_real_text_has_the_lines_that_its_entry_promises(name, file, encoding, lines):
    text = (fetch(name) / file).read_text(encoding)
    assert len(text.rstrip("\n").split("\n")) == lines


@pytest.mark.parametrize(
    ("name", "pattern", "files"),
    [
        real("encoder", "model.safetensors", 1),
        real("multilingual", "*.bin", 1),
        real("decoder", "*.gguf", 1),
        real("static-vectors", "*.npy", 1),
        real("topics", "*/*.txt", 2_225),
        real("intents", "*.json", 65 + 1),
        real("sentiment-zh", "*.txt", 2),
        real("biomedical", "*.xml.gz", 1),
        real("legal", "*.LICENSE", 2_310),
        real("silver-tags", "config.cfg", 1),
        real("g2p", "*.npz", 1),
    ],
)
def test_a_real_asset_is_whole_and_has_its_files(name, pattern, files):
    assert len(list(verify(name).glob(pattern))) == files
