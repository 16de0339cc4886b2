"""AsyncMilvusClient: the whole round, and many calls at once."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from harness.collections import key_field, schema_of, simple_rows, vector_field
from harness.oracle import top_keys, vectors
from pymilvus import AsyncMilvusClient, DataType, MilvusException

FIELDS = [key_field(), ("num", DataType.INT64, {}), ("text", DataType.VARCHAR, {"max_length": 64}), vector_field(8)]


async def create(client: AsyncMilvusClient, name: str) -> None:
    index = client.prepare_index_params()
    index.add_index("vec", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 64})
    await client.create_collection(name, schema=schema_of(FIELDS), index_params=index, consistency_level="Strong")


def test_a_whole_life(server, name):
    async def life() -> None:
        async with AsyncMilvusClient(uri=server.uri, token="root:Milvus") as client:
            await create(client, name)
            assert await client.has_collection(name) and name in await client.list_collections()
            data = vectors(100, 8)
            inserted = await client.insert(name, simple_rows(data))
            assert inserted["insert_count"] == 100
            await client.flush(name)
            await client.upsert(name, [{**simple_rows(data)[5], "num": -5}])
            await client.delete(name, ids=[6])
            hits = await client.search(name, data=[data[7]], limit=3, anns_field="vec", output_fields=["num"])
            chosen = np.array([i for i in range(100) if i != 6])
            assert [hit.id for hit in hits[0]] == top_keys("L2", data[chosen], chosen, data[7], 3)
            assert list(await client.get(name, [5, 6], output_fields=["num"])) == [{"id": 5, "num": -5}]
            rows = await client.query(name, filter="num < 30", output_fields=["count(*)"])
            assert rows[0]["count(*)"] == 4
            assert (await client.get_collection_stats(name))["row_count"] == 99
            assert (await client.describe_collection(name))["collection_name"] == name
            assert await client.list_indexes(name) == ["vec"]
            assert (await client.describe_index(name, "vec"))["index_type"] == "HNSW"
            assert (await client.get_load_state(name))["state"].name == "Loaded"
            assert (await client.get_server_version()).startswith("v")
            await client.create_partition(name, "p")
            assert sorted(await client.list_partitions(name)) == ["_default", "p"]
            await client.load_partitions(name, ["p"])
            await client.release_partitions(name, ["p"])
            await client.drop_partition(name, "p")
            await client.create_alias(name, name + "_alias")
            assert list(await client.list_aliases(name)) == [name + "_alias"]  # no dictionary here, unlike MilvusClient's
            await client.drop_alias(name + "_alias")
            job = await client.compact(name)
            assert isinstance(job, int)
            await client.release_collection(name)
            await client.drop_index(name, "vec")
            await client.rename_collection(name, name + "_new")
            await client.drop_collection(name + "_new")
            assert not await client.has_collection(name + "_new")

    asyncio.run(life())


def test_databases(server, name):
    async def life() -> None:
        async with AsyncMilvusClient(uri=server.uri) as client:
            await client.create_database(name)
            assert name in await client.list_databases()
            await client.use_database(name)
            await create(client, "inner")
            await client.insert("inner", simple_rows(vectors(3, 8)))
            await client.flush("inner")  # flush_all is declared by this class and built in neither release
            assert (await client.get_collection_stats("inner"))["row_count"] == 3
            await client.drop_collection("inner")
            await client.drop_database(name)

    asyncio.run(life())


def test_many_calls_at_once(server, name):
    async def life() -> None:
        async with AsyncMilvusClient(uri=server.uri) as client:
            await create(client, name)
            data = vectors(400, 8)
            rows = simple_rows(data)
            await asyncio.gather(*(client.insert(name, rows[i : i + 10]) for i in range(0, 400, 10)))
            found = await asyncio.gather(
                *(client.search(name, data=[v], limit=1, anns_field="vec") for v in data[:100])
            )
            assert [hits[0][0].id for hits in found] == list(range(100))
            counts = await asyncio.gather(*(client.query(name, output_fields=["count(*)"]) for _ in range(20)))
            assert all(rows[0]["count(*)"] == 400 for rows in counts)
            await client.drop_collection(name)

    asyncio.run(life())


def test_errors_arrive(server, name):
    async def life() -> None:
        async with AsyncMilvusClient(uri=server.uri) as client:
            with pytest.raises(MilvusException) as error:
                await client.describe_collection(name)
            assert error.value.code == 100
            await create(client, name)
            with pytest.raises(MilvusException):
                await client.query(name, filter="num >")
            await client.drop_collection(name)

    asyncio.run(life())


def test_cancelled_calls_disturb_nobody(server, client, name):
    async def life() -> None:
        async with AsyncMilvusClient(uri=server.uri) as own:
            await create(own, name)
            rows = simple_rows(vectors(2000, 8))
            tasks = [asyncio.create_task(own.insert(name, rows[i : i + 100])) for i in range(0, 2000, 100)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(life())
    kept = client.query(name, output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
    assert kept % 100 == 0 and kept >= 1000
