"""NumPyro by hand in double precision, as PyMC and Stan compute."""

import numpyro

from peers import numpyro_vmap

numpyro.enable_x64()

Peer = numpyro_vmap.Peer
