# SPDX-License-Identifier: BSD-3-Clause
"""Functions, gradients, control flow, products, reductions, sorting, random numbers: as on the processor."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

# A GPU multiplies in TF32, in which the small remainders of these are exact.
WHOLE = np.arange(128 * 64, dtype=np.float32)
COMPUTATIONS: dict[str, Callable[[], jax.Array]] = {
    "integers": lambda: jnp.arange(1000) * 3 + 1,
    "compiled": lambda: jax.jit(lambda x: jnp.tanh(x) * x + jnp.sin(x))(jnp.linspace(0, 1, 1000)),
    "half precision": lambda: jnp.arange(100, dtype=jnp.bfloat16) * 2 + 1,
    "transposed": lambda: jnp.arange(20000.0).reshape(100, 200).T + 0,
    "sum": lambda: jnp.sum(jnp.linspace(0, 1, 100_000)),
    "mean": lambda: jnp.mean(jnp.linspace(0, 1, 100_000).reshape(100, 1000), axis=0),
    "largest": lambda: jnp.argmax(jnp.sin(jnp.arange(1000.0))),
    "cumulative": lambda: jnp.cumsum(jnp.arange(1000)),
    "softmax": lambda: jax.nn.softmax(jnp.sin(jnp.arange(1000.0)).reshape(10, 100)),
    "product": lambda: jnp.dot((WHOLE % 16).reshape(128, 64), (WHOLE % 8).reshape(64, 128)),
    "mapped": lambda: jax.vmap(jnp.dot)(jnp.arange(100.0).reshape(10, 10), jnp.ones((10, 10))),
    "gradient": lambda: jax.grad(lambda x: jnp.sum(x**3))(jnp.arange(10.0)),
    "loop": lambda: jax.lax.fori_loop(0, 10, lambda i, s: s * 2 + i, 1),
    "scan": lambda: jax.lax.scan(lambda c, x: (c + x, c), 0.0, jnp.arange(100.0))[1],
    "condition": lambda: jax.lax.while_loop(lambda x: x < 100, lambda x: x * 2, 1),
    "sorted": lambda: jnp.sort(jnp.sin(jnp.arange(1000.0))),
    "random": lambda: jax.random.normal(jax.random.key(7), (1000,)),
}

(processor,) = jax.devices("cpu")
assert jax.devices()[0].platform == "gpu"
for name, compute in COMPUTATIONS.items():
    there = compute()
    assert there.devices() == set(jax.devices()), name
    with jax.default_device(processor):
        here = compute()
    close = np.allclose(np.asarray(there, np.float64), np.asarray(here, np.float64), rtol=1e-4, atol=1e-4)
    assert close, (name, there, here)
print("ok")
