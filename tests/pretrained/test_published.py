"""Published configurations: each builds, one is read at a time, a wrong file says what to do."""

import pytest

from tlhelpers.pretrained import published as table
from tlhelpers.pretrained.published import configuration, hub_ids, published
from tlhelpers.yaml_files import YamlFileError


def test_every_published_configuration_builds():
    for hub_id in hub_ids():
        assert configuration(hub_id, num_labels=3).num_labels == 3


@pytest.mark.parametrize("hub_id", hub_ids())
def test_every_file_names_the_file_of_its_model_as_its_source(hub_id):
    assert published(hub_id).source == f"https://huggingface.co/{hub_id}/blob/main/config.json"


def test_an_unknown_model_is_answered_with_the_known_ones():
    with pytest.raises(LookupError, match=r"'google-bert/bert'.*google-bert/bert-base-uncased"):
        configuration("google-bert/bert")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    (tmp_path / "owner").mkdir()
    file = tmp_path / "owner" / "model-v1.5.yaml"
    file.write_text(
        "config_class: BertConfig\n"
        "source: https://example.org/config.json\n"
        "checked: made here\n"
        "settings: {hidden_size: 24, num_attention_heads: 2, layer_norm_eps: 1e-5}\n"
    )
    return file


def test_one_model_is_read_without_the_others(path):
    (path.parent / "broken.yaml").write_text("settings: [")
    assert hub_ids() == ["owner/broken", "owner/model-v1.5"]
    config = configuration("owner/model-v1.5", num_attention_heads=4)
    assert (config.hidden_size, config.num_attention_heads) == (24, 4)
    assert config.layer_norm_eps == 1e-5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("BertConfig", "BertModel", "'config_class' is no configuration class of transformers"),
        ("checked: made here\n", "", "model-v1.5.yaml: field 'checked' is missing. Add it"),
        ("https://", "", "field 'source' should match pattern"),
        ("settings", "setings", "'setings' is not known here. Use one of: config_class, source"),
    ],
)
def test_a_wrong_file_names_field_value_and_remedy(path, old, new, message):
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(YamlFileError) as raised:
        published("owner/model-v1.5")
    assert message in str(raised.value)
