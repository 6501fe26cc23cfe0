"""What the kernels of components share: operators of torch, the choice between reference and kernel, configurations."""
