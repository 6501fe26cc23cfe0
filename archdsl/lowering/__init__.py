"""From a network to torch: modules, weights, exported programs and the folder that `build` writes."""
