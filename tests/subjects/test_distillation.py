"""Distillation: the loss by hand against PyTorch's, and students of fewer layers."""

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div
from transformers import BertForSequenceClassification

from tests.tiny_models import bert_config, tiny_tokenizer
from tlhelpers.subjects import distillation
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import predict


def logits(seed: int, texts: int = 5, classes: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(texts, classes, generator=generator, dtype=torch.float64)


LABELS = torch.tensor([0, 2, 1, 1, 0])

# The loss ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("soft", [0.0, 0.3, 1.0])
def test_the_loss_by_hand_is_pytorch_s(temperature, soft):
    student, teacher = logits(0), logits(1)
    q, p = (student / temperature).log_softmax(1), (teacher / temperature).log_softmax(1)
    divergence = temperature**2 * kl_div(q, p, reduction="batchmean", log_target=True)
    expected = soft * divergence + (1 - soft) * cross_entropy(student, LABELS)
    found = distillation.loss(student, teacher, LABELS, temperature=temperature, soft=soft)
    torch.testing.assert_close(found, expected)
    alone = distillation.loss(student, teacher, temperature=temperature)
    torch.testing.assert_close(alone, divergence)


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn_from_it():
    same = logits(0).requires_grad_()
    found = distillation.loss(same, same + 7.0)  # a softmax knows no constant
    found.backward()
    assert abs(found.item()) < 1e-12 and same.grad.abs().max() < 1e-12


def test_the_gradient_is_that_of_the_paper_and_does_not_go_into_the_teacher():
    student, teacher = logits(0).requires_grad_(), logits(1).requires_grad_()
    temperature = 3.0
    distillation.loss(student, teacher, temperature=temperature).backward()
    q, p = (student / temperature).softmax(1), (teacher / temperature).softmax(1)
    # Equation 2 of Hinton et al. 2015, times the square of the temperature; a mean over texts.
    torch.testing.assert_close(student.grad, (temperature * (q - p) / len(q)).detach())
    assert teacher.grad is None


def test_at_a_high_temperature_the_gradient_keeps_its_size():
    sizes = []
    for temperature in (50.0, 100.0):
        student = logits(0).requires_grad_()
        distillation.loss(student, logits(1), temperature=temperature).backward()
        sizes.append(float(student.grad.norm()))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)  # without the square: a quarter


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"soft": 1.5}, {"soft": -0.1}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="give a temperature above 0 and a weight"):
        distillation.loss(logits(0), logits(1), **wrong)


def test_logits_of_other_texts_are_refused():
    with pytest.raises(ValueError, match=r"shape \(5, 3\) and teacher of \(4, 3\)"):
        distillation.loss(logits(0), logits(1, texts=4))


# The student -------------------------------------------------------------------------------------


def classifier(seed: int = 0) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    return BertForSequenceClassification(bert_config(num_hidden_layers=3, num_labels=2)).eval()


def test_a_student_has_the_layers_that_it_was_given_and_the_teacher_keeps_its_own():
    model = classifier()
    small = distillation.student_of(model, [0, 2])
    assert small.config.num_hidden_layers == 2 and model.config.num_hidden_layers == 3
    assert len(model.bert.encoder.layer) == 3
    for ours, theirs in zip(small.bert.encoder.layer, (0, 2), strict=True):
        theirs = model.bert.encoder.layer[theirs]
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other) and one.data_ptr() != other.data_ptr()
    ids = torch.tensor([[2, 7, 8, 3]])
    fresh = BertForSequenceClassification(small.config).eval()
    fresh.load_state_dict(small.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(fresh(ids).logits, small(ids).logits)


@pytest.mark.parametrize("layers", [[], [3], [-1]])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(ValueError, match="from 0 to 2, as the model has 3"):
        distillation.student_of(classifier(), layers)


def test_fit_trains_a_student_towards_its_teacher():
    tokenizer = tiny_tokenizer()
    texts = ["the film was good", "the film was not good", "good", "not the film"] * 4
    teacher = classifier(1)
    with torch.no_grad():
        teacher.classifier.weight *= 40  # so that its logits differ from text to text
    target = predict(teacher, {"text": texts}, tokenizer)
    train = dict(tokenizer(texts)) | {"labels": [0, 1] * 8, "teacher": target.tolist()}
    student = distillation.StudentForSequenceClassification(
        distillation.student_of(classifier(2), [0, 1]), soft=1.0
    )

    def apart() -> float:
        given = predict(student.model, {"text": texts}, tokenizer)
        return float(distillation.loss(torch.tensor(given), torch.tensor(target)))

    before = apart()
    validation = {"text": texts[:4], "labels": [0, 1, 0, 1]}
    result = fit(
        student, train, validation, tokenizer=tokenizer, epochs=30, learning_rate=3e-3,
        batch_size=8, schedule="constant", keep_best=False, progress=False,
    )  # fmt: skip
    assert apart() < 0.2 * before
    assert {"validation_loss", "validation_accuracy"} <= set(result.history.columns)
