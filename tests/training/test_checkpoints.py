import json

from tests.tiny_models import reviews, tiny_classifier
from tests.training.runs import QUICK
from tlhelpers.training.fit import fit


def test_checkpoints_are_tensors_and_json_only(tokenizer, tmp_path):
    seen = set()

    def look(event):
        seen.update(path.name for path in tmp_path.rglob("*") if path.is_file())

    fit(
        tiny_classifier(), reviews(32), reviews(16), tokenizer=tokenizer, output_dir=tmp_path,
        checkpoint_every=1, callbacks=[look], **QUICK,
    )  # fmt: skip
    assert seen == {
        "model.safetensors", "optimizer.safetensors", "random-0.safetensors", "state.json",
        "best.safetensors",
    }  # fmt: skip
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1  # the older ones are gone
    assert json.loads(next(tmp_path.rglob("state.json")).read_text())["progress"]["finished"]


def test_a_half_written_checkpoint_is_passed_over(tokenizer, tmp_path):
    (tmp_path / "checkpoints" / "unfinished").mkdir(parents=True)
    (tmp_path / "checkpoints" / "unfinished" / "model.safetensors").write_bytes(b"half")
    result = fit(tiny_classifier(), reviews(32), tokenizer=tokenizer, output_dir=tmp_path, **QUICK)
    assert "resume" not in result.reasons
