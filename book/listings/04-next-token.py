import torch
import transformers as hf
from datasets import Dataset

import tlhelpers as tl  # only for the texts, and for where a tokenizer is

seed, news = 0, tl.data("running-text")
hf.set_seed(seed)
known = hf.AutoTokenizer.from_pretrained(tl.weights_folder("decoder"))
texts = {name: list(filter(str.strip, news[name]["text"])) for name in news}
pieces = known.train_new_from_iterator(texts["train"], 2000)
end = pieces.eos_token_id


def blocks(texts, length=64):
    ids = [i for ids in pieces(texts)["input_ids"] for i in [*ids, end]]
    cut = [ids[i : i + length] for i in range(0, len(ids) - length, length)]
    return Dataset.from_dict({"input_ids": cut, "labels": cut})  # GPT-2 shifts


# fmt: off
model = hf.GPT2LMHeadModel(hf.GPT2Config(  # random weights
    vocab_size=len(pieces), n_embd=128, n_layer=2, n_head=4, n_positions=64,
    resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=end,
    eos_token_id=end))
hf.Trainer(model, hf.TrainingArguments("checkpoints", seed=seed, max_steps=1000,
    learning_rate=1e-3, warmup_steps=100, per_device_train_batch_size=4,
    weight_decay=0.01, report_to="none"),
    train_dataset=blocks(texts["train"])).train()
# fmt: on
model.save_pretrained("news-writer")
pieces.save_pretrained("news-writer")
writer = hf.pipeline("text-generation", "news-writer")
print(writer("The government", max_new_tokens=20)[0]["generated_text"])
rows = torch.tensor(blocks(texts["test"])["input_ids"][:500]).to(model.device)
with torch.no_grad():
    right = model(rows[:, :-1]).logits.argmax(dim=2) == rows[:, 1:]
print(f"{right.float().mean():.1%} of the next tokens right")

# On your own data: a text file, one paragraph a line.
# from datasets import load_dataset
# rows = load_dataset("text", data_files="mine.txt")["train"]
# news = rows.train_test_split(test_size=0.1, seed=0)
# Masked tokens: BertForMaskedLM, DataCollatorForLanguageModeling, and for end
# the sep_token_id of a BERT's tokenizer.
