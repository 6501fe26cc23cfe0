"""Load a spec, look at it, build it, and run it on a batch of noise."""

import torch

import archdsl

spec = archdsl.load("@biformer_t", set={"classes": 10})
print(spec)

model = archdsl.build(spec, seed=0)
images = torch.randn(2, 3, 224, 224)
with torch.inference_mode():
    logits = model(images)
print(logits.shape)  # [2, 10]
