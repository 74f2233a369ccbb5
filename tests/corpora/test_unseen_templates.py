"""Commands whose templates served for nothing else."""

import json

from tlhelpers.corpora import unseen_templates
from tlhelpers.corpora.unseen_templates import split_by_template


def test_only_intents_with_templates_enough_are_split_by_template(tmp_path, monkeypatch):
    blocks = {
        "HassTurnOn": [["on {name}", "lights on"], ["on", "on please", "do it", "on now"]],
        "HassTurnOff": [["off {name}", "off"], ["lights off", "off now", "off please"]],
        "HassNevermind": [[str(i) for i in range(9)]],  # not an intent of the book
    }
    intents = {
        name: {"data": [{"sentences": sentences} for sentences in of_intent]}
        for name, of_intent in blocks.items()
    }
    (tmp_path / "de.json").write_text(json.dumps({"language": "de", "intents": intents}), "utf-8")
    monkeypatch.setattr(unseen_templates, "fetch", lambda asset: tmp_path)
    assert split_by_template("de", "tiny") == ["turn on"]
