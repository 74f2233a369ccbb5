import torch
from transformers import AutoModel, AutoTokenizer

import tlhelpers as tl  # only for where the weights are

checkpoint = tl.weights_folder("encoder")
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModel.from_pretrained(checkpoint, dtype=torch.float32).eval()
texts = ["The bank raised its rates.", "We fished from the bank."]
batch = tokenizer(texts, padding=True, return_tensors="pt")
layer, seen = model.encoder.layer[0], batch["attention_mask"].bool()

with torch.no_grad():
    states = model(**batch, output_hidden_states=True).hidden_states
    x, own = states[0], layer.attention.self
    B, T, C = x.shape
    H = own.num_attention_heads
    q, k, v = (
        linear(x).view(B, T, H, C // H).transpose(1, 2)  # (B, H, T, C / H)
        for linear in (own.query, own.key, own.value)
    )
    scores = q @ k.mT / (C // H) ** 0.5  # (B, H, T, T)
    scores = scores.masked_fill(~seen[:, None, None], -torch.inf)
    mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(B, T, C)
    out = layer.attention.output
    x = out.LayerNorm(x + out.dense(mixed))
    wide = torch.nn.functional.gelu(layer.intermediate.dense(x))  # (B, T, 4 C)
    x = layer.output.LayerNorm(x + layer.output.dense(wide))

apart = (x - states[1])[seen].abs() / states[1][seen].abs().max()
print(f"{(apart < 1e-5).float().mean():.1%} of the numbers as the library's")

# On your own data: put your texts into `texts`, and the name of any BERT on
# the hub into `checkpoint`. Other families name their layers otherwise.
