"""Languages: a file each, complete, and opened for that language alone."""

import subprocess
import sys
import unicodedata

import pytest

from tlhelpers import languages
from tlhelpers.languages import LANGUAGES, Language, dictionary, with_voice_commands
from tlhelpers.yaml_files import YamlFileError, YamlFolder


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_lines_run_as_the_letters_do(code):
    language = LANGUAGES[code]
    household = language.voice_commands
    words = [*language.translations.values(), *(household.rooms if household else ())]
    directions = {unicodedata.bidirectional(c) for word in words for c in word if c.isalpha()}
    assert bool(directions & {"R", "AL"}) == (language.right_to_left and bool(words))


def test_the_order_of_recorded_sweeps_stays():
    assert with_voice_commands()[:17] == (
        *("en", "de", "es", "fr", "it", "pt", "nl", "sv", "pl", "cs"),
        *("ru", "el", "hi", "ar", "he", "zh-CN", "ko"),
    )
    assert " ".join(dictionary()).startswith("kind en es fr de ru el hi ar he sw zh ko")


@pytest.fixture
def klingon(tmp_path, monkeypatch):
    """A folder with English, and with a file that is yet to be written."""
    (tmp_path / "en.yaml").write_text((languages.HERE / "en.yaml").read_text("utf-8"), "utf-8")
    monkeypatch.setattr(languages, "LANGUAGES", YamlFolder(tmp_path, Language))
    return tmp_path / "tlh.yaml"


FACTS = "name: Klingon\nscript: Latin\nfamily: Tlhinganic\ncrawl_gigabytes: 0.001\n"


def test_one_file_adds_a_language(klingon):
    words = "{rooms: [pa'], devices: [jan], floors: [rav], groceries: [Soj]}"
    klingon.write_text(f"{FACTS}voice_commands: {words}\n", "utf-8")
    assert with_voice_commands() == ("en", "tlh")
    assert list(dictionary()) == ["kind", "en"]


def test_a_dictionary_with_gaps_is_refused(klingon):
    meanings = [meaning for meaning in dictionary()["en"] if meaning != "owl"]
    lines = [f"  {meaning!r}: x" for meaning in [*meanings, "tribble"]]
    klingon.write_text("\n".join([FACTS + "translations:", *lines]), "utf-8")
    with pytest.raises(YamlFileError, match=r"tlh.yaml: field 'translations'.*'owl', 'tribble'"):
        dictionary()


def test_words_left_out_are_named(klingon):
    klingon.write_text(FACTS + "voice_commands: {rooms: [pa'], devices: []}", "utf-8")
    with pytest.raises(YamlFileError) as error:
        with_voice_commands()
    assert "tlh.yaml: field 'voice_commands.floors' is missing" in str(error.value)
    assert "tlh.yaml: field 'voice_commands.devices'" in str(error.value)


def test_a_language_is_read_alone():
    code = (
        "import sys\n"
        "sys.addaudithook(lambda event, a: print(a[0]) if event == 'open' else None)\n"
        "import tlhelpers.corpora.by_role, tlhelpers.corpora.from_assets\n"
        "import tlhelpers.subjects.multilingual\n"
        "from tlhelpers.roles import DATASETS\n"
        "assert DATASETS['intents']['tiny'].has_language('de')\n"
        "assert not DATASETS['ner']['tiny'].has_language('tlh')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    opened = [line for line in done.stdout.splitlines() if line.endswith(".yaml")]
    assert [line for line in opened if "languages" in line] == [str(languages.HERE / "de.yaml")]
