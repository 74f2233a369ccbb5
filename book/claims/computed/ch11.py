"""What settles the computed entries of chapter 11."""

import tempfile
import warnings
from collections import Counter
from typing import Any

GPT2 = "openai-community/gpt2"
BYTES_TRAINED = 16  # weight, gradient, master copy and Adam's two states in mixed precision


def _tiny_gpt2() -> Any:  # noqa: ANN401 (a transformers model)
    from transformers import AutoModelForSequenceClassification, GPT2Config

    config = GPT2Config(
        vocab_size=50, n_embd=32, n_layer=2, n_head=2, bos_token_id=49, eos_token_id=49
    )
    config.num_labels = 2
    config.pad_token_id = 49
    return AutoModelForSequenceClassification.from_config(config)


def _adapted(model: Any, rank: int, targets: list[str]) -> Any:  # noqa: ANN401 (as above)
    from peft import LoraConfig, TaskType, get_peft_model

    settings = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=rank, lora_alpha=2 * rank, target_modules=targets
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GPT-2's Conv1D, told by peft once a layer
        return get_peft_model(model, settings)


def _gpt2(rank: int, targets: list[str]) -> Any:  # noqa: ANN401 (as above)
    from tlhelpers.pretrained.models import meta_model

    return _adapted(meta_model(GPT2, task="classification", labels=2), rank, targets)


def gpt2_trained(rank: int, targets: list[str]) -> int:
    """What peft counts as trained of GPT-2 with a head for two classes."""
    return int(_gpt2(rank, targets).get_nb_trainable_parameters()[0])


def gpt2_total(rank: int, targets: list[str]) -> int:
    """What peft counts of GPT-2 with a head for two classes in all, trained or not."""
    return int(_gpt2(rank, targets).get_nb_trainable_parameters()[1])


def gpt2_trained_percent(rank: int, targets: list[str]) -> float:
    """Percentage of GPT-2 with a head for two classes that is trained."""
    return share(gpt2_trained(rank, targets), gpt2_total(rank, targets))


def gpt2_parameters(head: bool) -> int:
    """Count the parameters of GPT-2, with a head for two classes or without any."""
    from tlhelpers.pretrained.models import meta_model

    model = meta_model(GPT2, task="classification", labels=2) if head else meta_model(GPT2)
    return sum(p.numel() for p in model.parameters())


def gpt2_adapter_megabytes(rank: int, targets: list[str], bytes_each: int) -> float:
    """Size of what peft saves: the factors and the head."""
    return megabytes(gpt2_trained(rank, targets), bytes_each)


def gpt2_megabytes(bytes_each: int) -> float:
    """Size of the weights of GPT-2."""
    return megabytes(gpt2_parameters(head=False), bytes_each)


def gpt2_adapter_percent(rank: int, targets: list[str]) -> float:
    """Size of the adapter in percent of that of GPT-2."""
    return share(gpt2_trained(rank, targets), gpt2_parameters(head=False))


def gpt2_factors(rank: int, targets: list[str]) -> int:
    """Count the numbers of the low-rank factors alone, without the head."""
    parameters = _gpt2(rank, targets).named_parameters()
    return sum(p.numel() for name, p in parameters if "lora_" in name)


def gpt2_adapted_modules(targets: list[str]) -> dict[str, int]:
    """Count the modules of GPT-2 that a list of name endings selects, by name in the block."""
    names = [
        name for name, module in _gpt2(8, targets).named_modules() if hasattr(module, "lora_A")
    ]
    return dict(Counter(name.split(".h.")[1].split(".", 1)[1] for name in names))


def gpt2_trained_beside_factors() -> list[str]:
    """Name what is trained besides the factors when the task is sequence classification."""
    parameters = _gpt2(8, ["c_attn"]).named_parameters()
    return [
        name.removeprefix("base_model.model.")
        for name, p in parameters
        if p.requires_grad and "lora_" not in name
    ]


def error_on_llama(targets: list[str]) -> str:
    """Name the error of peft when these targets are looked for in Llama 3 8B."""
    from tlhelpers.pretrained.models import meta_model

    model = meta_model("meta-llama/Meta-Llama-3-8B", task="classification", labels=2)
    try:
        _adapted(model, 16, targets)
    except ValueError as error:
        return type(error).__name__
    return ""


def share(trained: int, everything: int) -> float:
    """Percentage of parameters that are trained."""
    return 100 * trained / everything


def megabytes(parameters: int, bytes_each: int) -> float:
    """Size of a file of weights in 10^6 bytes, without its header."""
    return parameters * bytes_each / 1e6


def adapter_megabytes(hub_id: str, rank: int, wide: bool, bytes_each: int) -> float:
    """Size of a decoder's adapter: on query and value, or (``wide``) on all linear layers."""
    from torch import nn

    from tlhelpers.pretrained.models import meta_model

    names = ("q_proj", "v_proj") + wide * ("k_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    factors = sum(
        rank * (module.in_features + module.out_features)
        for name, module in meta_model(hub_id).named_modules()
        if isinstance(module, nn.Linear) and name.endswith(names)
    )
    return megabytes(factors, bytes_each)


def gpt2_state_gigabytes(rank: int | None, targets: list[str]) -> float:
    """Memory (10^9 bytes) of weights, gradients and Adam's states; frozen weights in 16 bits.

    With LoRA of a rank, or (None) with everything trained.
    """
    whole = gpt2_parameters(head=True)
    if rank is None:
        return whole * BYTES_TRAINED / 1e9
    return (gpt2_trained(rank, targets) * BYTES_TRAINED + whole * 2) / 1e9


def reduction(before: float, after: float) -> float:
    """Share by which a figure falls."""
    return 1 - after / before


def half_precision_step_is_finite(gradient: float) -> bool:
    """Whether one AdamW step on a weight in float16 leaves a finite number.

    AdamW's epsilon 1e-8 is 0 in float16, and so is the square of a small gradient: the update
    divides by zero.
    """
    import torch

    weight = torch.nn.Parameter(torch.tensor([0.02], dtype=torch.float16))
    weight.grad = torch.full_like(weight, gradient)
    torch.optim.AdamW([weight], lr=2e-5).step()
    return bool(weight.isfinite().all())


def precision_of_trained_weights() -> dict[str, str]:
    """Give the types of what peft trains in a model that was loaded in float16."""
    model = _adapted(_tiny_gpt2().half(), 4, ["c_attn"])
    return {
        "factors" if "lora_" in name else "head": str(p.dtype).removeprefix("torch.")
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def fresh_adapter_changes_output() -> bool:
    """Whether wrapping a model and saving it, with no training step, changes what it computes."""
    import torch

    model = _tiny_gpt2().eval()
    ids = torch.arange(6)[None]
    with torch.no_grad():
        before = model(ids).logits
        after = _adapted(model, 4, ["c_attn", "c_proj"]).eval()(ids).logits
    return not torch.equal(before, after)


def wrapping_changes_the_model_it_is_given() -> bool:
    """Whether the variable that held the base model holds LoRA layers after get_peft_model."""
    model = _tiny_gpt2()
    _adapted(model, 4, ["c_attn"])
    return any(hasattr(module, "lora_A") for module in model.modules())


def reloaded_adapter() -> dict[str, bool]:
    """Whether PeftModel.from_pretrained gives a merged model, and one that can be trained on."""
    from peft import PeftModel

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _adapted(_tiny_gpt2(), 4, ["c_attn"]).save_pretrained(folder)
        model: Any = PeftModel.from_pretrained(_tiny_gpt2(), folder)
        found = {
            "merged": not any(hasattr(module, "lora_A") for module in model.modules()),
            "trainable": any(p.requires_grad for p in model.parameters()),
        }
        merged = model.merge_and_unload()
    found["merged by merge_and_unload"] = not any(hasattr(m, "lora_A") for m in merged.modules())
    return found


def batch_without_padding_token_fails() -> bool:
    """Whether GPT-2's classifier refuses two rows while it knows no padding token."""
    import torch

    model = _tiny_gpt2()
    model.config.pad_token_id = None
    try:
        model(torch.arange(12).reshape(2, 6))
    except ValueError:
        return True
    return False


def dtype_argument() -> dict[str, bool]:
    """Whether transformers still takes ``torch_dtype``, and whether it calls it deprecated."""
    import inspect

    import torch
    from transformers import AutoModel, GPT2Config, PreTrainedModel

    config = GPT2Config(vocab_size=50, n_embd=32, n_layer=1, n_head=2)
    model = AutoModel.from_config(config, torch_dtype=torch.float16)
    source = inspect.getsource(PreTrainedModel._from_config)
    return {
        "taken": model.dtype == torch.float16,
        "deprecated": "`torch_dtype` is deprecated" in source,
    }


def own_count_equals_peft(rank: int, targets: list[str]) -> bool:
    """Whether summing over the parameters gives what peft counts, trained and all."""
    model = _gpt2(rank, targets)
    everything = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return bool((trained, everything) == model.get_nb_trainable_parameters())


def _on_meta(hub_id: str, task: str | None, targets: Any) -> Any:  # noqa: ANN401 (as above)
    """Adapt a published model on the meta device; a classifier has two classes."""
    from peft import LoraConfig, get_peft_model

    from tlhelpers.pretrained.models import meta_model

    labels = 2 if task == "classification" else None
    model = meta_model(hub_id, task=task, labels=labels)  # type: ignore[arg-type]
    kinds = {"classification": "SEQ_CLS", "causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM"}
    settings = LoraConfig(task_type=kinds.get(task or ""), target_modules=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_peft_model(model, settings)


def adapted_places(hub_id: str, task: str | None, targets: Any) -> dict[str, int]:  # noqa: ANN401
    """Count the modules that the target names select, place by place."""
    from tlhelpers.subjects.adapters import adapted

    table = adapted(_on_meta(hub_id, task, targets))
    return {row.place: int(row.modules) for row in table.itertuples()}


def adapted_modules(hub_id: str, task: str | None, targets: Any) -> int:  # noqa: ANN401 (as above)
    """Count the modules that the target names select."""
    return sum(adapted_places(hub_id, task, targets).values())


def default_targets(hub_id: str) -> list[str]:
    """Name the targets that peft takes when the configuration names none."""
    return sorted(_on_meta(hub_id, None, None).peft_config["default"].target_modules)


def one_name_as_text(hub_id: str, targets: str) -> str:
    """Name the error of peft when one target name is given as a text and not in a list."""
    try:
        _on_meta(hub_id, None, targets)
    except ValueError as error:
        return type(error).__name__
    return ""


def saved_files(rank: int, targets: list[str]) -> dict[str, float]:
    """Save an encoder like all-MiniLM-L6-v2 and its adapter; megabytes of the two weight files."""
    from pathlib import Path

    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    from tlhelpers.pretrained.published import configuration

    config = configuration("sentence-transformers/all-MiniLM-L6-v2", num_labels=2)
    model: Any = AutoModelForSequenceClassification.from_config(config)
    settings = LoraConfig(task_type="SEQ_CLS", r=rank, target_modules=targets)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
        get_peft_model(model, settings).save_pretrained(folder)
        names = {"model": "model.safetensors", "adapter": "adapter_model.safetensors"}
        return {what: (Path(folder) / name).stat().st_size / 1e6 for what, name in names.items()}


def adapter_file_percent(rank: int, targets: list[str]) -> float:
    """Size of the encoder's saved adapter in percent of that of its saved model."""
    sizes = saved_files(rank, targets)
    return share(sizes["adapter"], sizes["model"])


def header_kilobytes(rank: int, targets: list[str]) -> float:
    """Kilobytes of the encoder's saved adapter beside four bytes for each number in it."""
    from peft import LoraConfig, get_peft_model

    from tlhelpers.pretrained.models import meta_model

    encoder = "sentence-transformers/all-MiniLM-L6-v2"
    model = meta_model(encoder, task="classification", labels=2)
    settings = LoraConfig(task_type="SEQ_CLS", r=rank, target_modules=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = get_peft_model(model, settings).get_nb_trainable_parameters()[0]
    return 1000 * (saved_files(rank, targets)["adapter"] - megabytes(numbers, 4))


def saved_embeddings(new_tokens: int) -> bool:
    """Whether peft saves the table of embeddings with an adapter, after tokens were added."""
    from pathlib import Path

    from peft import LoraConfig, get_peft_model
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM, GPT2Config

    config = GPT2Config(vocab_size=50, n_embd=32, n_layer=1, n_head=2, eos_token_id=49)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder)
        model.resize_token_embeddings(50 + new_tokens)
        adapter = Path(folder) / "adapter"
        get_peft_model(model, LoraConfig(target_modules=["c_attn"])).save_pretrained(str(adapter))
        with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
            return any("wte" in name for name in file.keys())  # noqa: SIM118 (no mapping)


def moved_by_a_step(dtype: str, weight: float, learning_rate: float) -> bool:
    """Whether one AdamW step of this rate changes a weight that is stored in this type."""
    import torch

    stored = torch.nn.Parameter(torch.tensor([weight], dtype=getattr(torch, dtype)))
    before = stored.detach().clone()
    stored.grad = torch.ones_like(stored)
    torch.optim.AdamW([stored], lr=learning_rate, weight_decay=0.0).step()
    return not torch.equal(stored.detach(), before)


def packed_weights_take_a_gradient() -> bool:
    """Whether PyTorch trains a weight that is stored in bytes, as packed 4-bit weights are."""
    import torch

    try:
        torch.nn.Parameter(torch.zeros(8, dtype=torch.uint8))
    except RuntimeError:
        return False
    return True


def four_bit_gigabytes(hub_id: str) -> float:
    """Memory (10^9 bytes) of a model's weights when its linear layers are kept in four bits."""
    from tlhelpers.pretrained.models import meta_model
    from tlhelpers.subjects.adapters import bytes_in_four_bits

    return bytes_in_four_bits(meta_model(hub_id, task="causal")) / 1e9


def lost_in_merging(dtype: str, size: float) -> float:
    """Share of an update that rounding changes when it is merged into weights of this type.

    Lengths (Frobenius) are compared. The weights are normal numbers with a spread of 0.02, the
    update has rank 8 and ``size`` of their length.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    weight = 0.02 * torch.randn(768, 768, generator=generator)
    weight = weight.to(getattr(torch, dtype)).double()
    update = torch.randn(768, 8, generator=generator) @ torch.randn(8, 768, generator=generator)
    update = update.double() * (size * weight.norm() / update.norm())
    merged = (weight + update).to(getattr(torch, dtype)).double()
    return float((merged - weight - update).norm() / update.norm())


def two_adapters_on_one_model() -> dict[str, bool]:
    """Whether two adapters on one model give, each, what they give alone, and none what it was."""
    import torch
    from peft import LoraConfig, get_peft_model

    def settings(target: str) -> Any:  # noqa: ANN401 (peft's)
        return LoraConfig(r=2, target_modules=[target], init_lora_weights=False)

    ids = torch.arange(6)[None]
    torch.manual_seed(0)
    base = _tiny_gpt2().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        plain = base(ids).logits
        model: Any = get_peft_model(base, settings("c_attn"), adapter_name="first")
        model.eval()
        alone = {"first": model(ids).logits}
        model.add_adapter("second", settings("c_fc"))
        model.set_adapter("second")
        alone["second"] = model.eval()(ids).logits
        model.set_adapter("first")
        switched = torch.equal(model(ids).logits, alone["first"])
        with model.disable_adapter():
            off = torch.equal(model(ids).logits, plain)
        names = ["first", "second", "__base__"]
        mixed = model(ids.repeat(3, 1), adapter_names=names).logits
    expected = torch.cat([alone["first"], alone["second"], plain])
    return {
        "differ": not torch.allclose(alone["first"], alone["second"]),
        "switched back": switched,
        "switched off": off,
        "mixed in one batch": bool(torch.allclose(mixed, expected, atol=1e-5)),
    }


def loss_is_that_of_the_answer() -> bool:
    """Whether a decoder's loss is the mean over the pieces that are not labelled -100.

    Each piece is predicted from the place before it; the model shifts the labels itself.
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model: Any = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=2)).eval()
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    labels = torch.tensor([[-100, -100, -100, 8, 9]])
    with torch.no_grad():
        said = model(ids).logits.log_softmax(-1)
        loss = model(ids, labels=labels).loss
    by_hand = -(said[0, 2, 8] + said[0, 3, 9]) / 2
    return bool(torch.allclose(loss, by_hand))


def collator_learns_the_end(pad: str) -> bool:
    """Whether transformers' collator for language models leaves the end of a text in the loss."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<end>": 0, "<pad>": 1, "good": 2}, unk_token="good"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token=pad)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    batch = collator([{"input_ids": [2, 2, 0]}, {"input_ids": [2, 0]}])
    return bool(batch["labels"][0, 2] == 0)
