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
medians = {}
for name, config in configs.items():
    # Random weights: they say how long a pass takes, and nothing else.
    model = hf.AutoModel.from_config(config).to(device).eval()
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + passes):  # the first one makes room in memory
            begun = time.perf_counter()
            model(input_ids=ids).last_hidden_state[0, 0, 0].item()  # waits
            seconds.append(time.perf_counter() - begun)
    medians[name] = statistics.median(seconds[1:])
    print(f"{name}: {model.num_parameters():,} parameters", end=", ")
    print(f"{1000 * medians[name]:.0f} ms a pass")
share = medians["DistilBERT"] / medians["BERT-base"]
print(f"DistilBERT takes {share:.1%} of BERT-base's time")

# On your own data: your texts' length and batch, and for each model on the hub
# its configuration, hf.AutoConfig.from_pretrained("owner/name").
