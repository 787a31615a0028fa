# SPDX-License-Identifier: BSD-3-Clause
"""JAX: compiled functions, gradients, a loop, a convolution and random numbers on the GPU."""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp


def loss(weights: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean((jnp.tanh(x @ weights) - y) ** 2)


def main() -> None:
    print(f"same platform {jax.devices()[0].platform}")
    x = jnp.sin(jnp.arange(128.0 * 64)).reshape(128, 64)
    weights, y = jnp.cos(jnp.arange(64.0 * 8)).reshape(64, 8) / 8, jnp.ones((128, 8)) / 2
    step = jax.jit(lambda w: w - 0.1 * jax.grad(loss)(w, x, y))
    print(f"value first-loss {float(loss(weights, x, y)):.6f}")
    for _ in range(50):
        weights = step(weights)
    print(f"value last-loss {float(loss(weights, x, y)):.6f}")
    total = jax.lax.fori_loop(0, 100, lambda i, s: s + jnp.sum(x) * i, 0.0)
    print(f"value loop {float(total):.4f}")
    images = x.reshape(1, 8, 32, 32)
    kernel = jnp.ones((4, 8, 3, 3)) / 72
    print(f"value convolution {float(jnp.abs(jax.lax.conv(images, kernel, (1, 1), 'SAME')).sum()):.4f}")
    print(f"value random {float(jax.random.normal(jax.random.key(7), (1000,)).sum()):.4f}")


if __name__ == "__main__" and "--import" not in sys.argv:
    main()
