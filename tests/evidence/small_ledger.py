"""A ledger of one good entry, to be spoilt by a test."""

from pathlib import Path

GOOD = """
- id: 08-good
  claim: A rank-8 update of a 4096 x 4096 matrix has 65,536 numbers.
  source: {section: 8, figure: "65,536", where: formula, value: 65_536}
  kind: computed
  settled_by: {function: ch08.count, arguments: {rank: 8}, expects: 65536}
  why: Two factors of 4096 x 8.
  prose: ["65,536"]
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
