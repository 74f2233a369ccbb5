"""A ledger of one good entry, to be spoilt by a test, and a measured one with its sweep."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.sweep.record import write_content

GOOD = """
- id: 08-good
  claim: A rank-8 update of a 4096 x 4096 matrix has 65,536 numbers.
  source: {section: 8, figure: "65,536", where: formula, value: 65_536}
  kind: computed
  settled_by: {function: ch08.count, arguments: {rank: 8}, expects: 65536}
  why: Two factors of 4096 x 8.
  prose: ["65,536"]
"""
MEASURED = """
- id: 08-measured
  claim: Rank 8 is right more often than rank 1.
  source: null
  kind: measured
  registered:
    experiment: Accuracy with rank 8 less that with rank 1, five seeds.
    bar: {above: 0.05}
  settled_by: {result: 08-rank, value: accuracy, where: {rank: 8}, minus: {rank: 1}}
  why: Eight directions hold more than one.
"""
# The same figure, by a source that was read.
CITED = """
- id: 08-cited
  claim: LoRA is as good as full fine-tuning on MNLI.
  source: {section: 8, figure: "87.2", where: prose}
  kind: cited
  settled_by: {reference: hu-2021, locator: Table 2, quote_value: "87.2", checked: read there}
  verdict: confirmed
  why: One of several tasks.
"""
REFERENCES = """
hu-2021: {authors: Hu et al., year: 2021, title: LoRA, url: "https://arxiv.org/abs/2106.09685"}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "08-lora-maths.yaml").write_text(text)
    return folder


def record(folder: Path, values: Mapping[int, Sequence[float]], name: str = "08-rank") -> None:
    """Record a sweep beside a ledger: the accuracies of each rank, one a seed."""
    points = [
        {"parameters": {"rank": rank, "seed": seed}, "values": {"accuracy": value}}
        | {"seconds": 1.0, "environment": 0}
        for rank, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    content = {"sweep": name, "code": "c", "environments": [{}], "points": points}
    write_content(folder.parent / "results" / f"{name}.json", content)
