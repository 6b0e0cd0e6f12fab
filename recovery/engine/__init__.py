"""The rooms where PyMC is imported: problems, what is compiled, samplers, one replicate."""
