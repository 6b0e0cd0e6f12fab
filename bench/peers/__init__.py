"""What a user would pick instead of `recovery`: one file per peer, all given the same data sets."""

PEERS = {
    "recovery": "peers.recovery_sweep",
    "nutpie": "peers.nutpie_loop",
    "pymc": "peers.pymc_loop",
    "pymc-cores": "peers.pymc_cores",
    "simuk": "peers.simuk_sbc",
    "numpyro": "peers.numpyro_vmap",
    "numpyro64": "peers.numpyro_vmap64",
    "pystan": "peers.pystan_loop",
}
"""Modules by name. Each holds a class `Peer` and imports its packages at the top."""
