import statistics
import time

import torch
import transformers as hf

length, batch, passes = 128, 1, 5  # tokens of a text, texts, timed passes
narrow = {"hidden_size": 384, "intermediate_size": 1536}
configs = {
    "BERT-base": hf.BertConfig(),
    "DistilBERT": hf.DistilBertConfig(),
    "BERT, half as wide": hf.BertConfig(**narrow),
}
hf.set_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
ids = torch.randint(1_000, 20_000, (batch, length), device=device)
models, seconds = {}, {}
for name, config in configs.items():
    # Random weights: they say how long a pass takes, and nothing else.
    model = hf.AutoModel.from_config(config, dtype=torch.float32)
    models[name], seconds[name] = model.to(device).eval(), []
with torch.inference_mode():
    for _ in range(1 + passes):  # in turns; the first one makes room in memory
        for name, model in models.items():
            begun = time.perf_counter()
            model(input_ids=ids).last_hidden_state[0, 0, 0].item()  # waits
            seconds[name].append(time.perf_counter() - begun)
medians = {name: statistics.median(took[1:]) for name, took in seconds.items()}
for name, median in medians.items():
    print(f"{name}: {1000 * median:.0f} ms a pass")
share = medians["DistilBERT"] / medians["BERT-base"]
print(f"DistilBERT takes {share:.1%} of BERT-base's time")

# On your own data: your batch and your texts' length, up to what a model reads,
# and for each model on the hub hf.AutoConfig.from_pretrained("owner/name").
