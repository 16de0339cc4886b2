"""The smallest program: needs a server on localhost:19530 (`make run`) and `pip install pymilvus`."""

import random

from pymilvus import MilvusClient

client = MilvusClient("http://localhost:19530")
if client.has_collection("quickstart"):
    client.drop_collection("quickstart")
client.create_collection("quickstart", dimension=8)  # id, vector, and any other key you send

random.seed(1)
colours = ["red", "green", "blue"]
rows = [
    {"id": i, "vector": [random.random() for _ in range(8)], "colour": colours[i % 3], "price": i * 10} for i in range(100)
]
print("inserted", client.insert("quickstart", rows)["insert_count"])

hits = client.search(
    "quickstart", [rows[7]["vector"]], limit=3, filter='colour == "green" and price < 500', output_fields=["colour", "price"]
)
for hit in hits[0]:
    print(hit["id"], round(hit["distance"], 4), hit["entity"])

print("blue ones:", client.query("quickstart", 'colour == "blue"', output_fields=["count(*)"])[0]["count(*)"])
client.delete("quickstart", filter="price >= 500")
print("left:", client.query("quickstart", "", output_fields=["count(*)"])[0]["count(*)"])
