"""The same with the ORM classes that older programs use."""

import numpy as np
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, utility

connections.connect(uri="http://localhost:19530")
if utility.has_collection("orm_example"):
    utility.drop_collection("orm_example")
schema = CollectionSchema(
    [
        FieldSchema("id", DataType.INT64, is_primary=True, auto_id=True),
        FieldSchema("title", DataType.VARCHAR, max_length=100),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=16),
    ]
)
collection = Collection("orm_example", schema)
vectors = np.random.default_rng(1).standard_normal((1000, 16)).astype(np.float32)
collection.insert([[f"title {i}" for i in range(1000)], vectors])
collection.create_index("vector", {"index_type": "HNSW", "metric_type": "L2", "params": {"M": 16, "efConstruction": 200}})
collection.load()
for hit in collection.search([vectors[3]], "vector", {"metric_type": "L2"}, limit=3, output_fields=["title"])[0]:
    print(hit.id, hit.distance, hit.entity.get("title"))
print(collection.num_entities, "entities")
