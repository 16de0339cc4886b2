"""Many searches at once with AsyncMilvusClient."""

import asyncio
import time

import numpy as np
from pymilvus import AsyncMilvusClient, MilvusClient

URI = "http://localhost:19530"


async def main() -> None:
    vectors = np.random.default_rng(1).standard_normal((2000, 32)).astype(np.float32)
    setup = MilvusClient(URI)
    if setup.has_collection("async_example"):
        setup.drop_collection("async_example")
    setup.create_collection("async_example", dimension=32)
    setup.insert("async_example", [{"id": i, "vector": vector} for i, vector in enumerate(vectors)])

    client = AsyncMilvusClient(URI)
    started = time.perf_counter()
    results = await asyncio.gather(*(client.search("async_example", [vector], limit=1) for vector in vectors[:500]))
    elapsed = time.perf_counter() - started
    right = sum(result[0][0]["id"] == i for i, result in enumerate(results))
    print(f"{len(results)} searches in {elapsed:.2f} s, {right} found themselves")
    await client.close()


asyncio.run(main())
