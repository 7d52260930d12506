"""What a weight update costs: this suite's trainer beside `model.fit`, PyTorch and JAX, on the same work in one run."""
