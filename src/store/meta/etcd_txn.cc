#include "store/meta/etcd_txn.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace kite::store {
namespace {

// etcd's --max-txn-ops is 128 by default, counted over all levels of a path.
constexpr int kOpsFlat = 120;
constexpr int kOpsPerChunk = 60;

using Interval = std::pair<std::string, std::string>;  ///< [begin, end)

/// What the ops come to: the last word on each key, and what is deleted besides.
struct NetEffect {
  std::map<std::string, const MetaOp*> keys;   ///< puts and deletes of single keys
  std::map<std::string, std::string> deleted;  ///< prefixes: begin -> end
};

NetEffect NetEffectOf(const std::string& root, const std::vector<MetaOp>& ops) {
  NetEffect net;
  for (const MetaOp& op : ops) {
    const std::string key = root + op.key;
    if (op.kind != MetaOp::Kind::kDeletePrefix) {
      net.keys[key] = &op;
      continue;
    }
    const std::string end = EtcdPrefixEnd(key);
    net.keys.erase(net.keys.lower_bound(key), net.keys.lower_bound(end));
    net.deleted[key] = end;
  }
  return net;
}

/// `range` without the single keys that are put.
std::vector<Interval> CutAround(const Interval& range,
                                const std::map<std::string, const MetaOp*>& keys) {
  std::vector<Interval> pieces;
  std::string begin = range.first;
  for (auto key = keys.lower_bound(begin); key != keys.end() && key->first < range.second; ++key) {
    if (key->second->kind != MetaOp::Kind::kPut) continue;
    if (begin < key->first) pieces.emplace_back(begin, key->first);
    begin = key->first + '\0';
  }
  if (begin < range.second) pieces.emplace_back(begin, range.second);
  return pieces;
}

std::vector<etcdserverpb::RequestOp> RequestsOf(const NetEffect& net) {
  std::vector<etcdserverpb::RequestOp> requests;
  for (const auto& [begin, end] : net.deleted) {
    for (const Interval& piece : CutAround({begin, end}, net.keys)) {
      auto* range = requests.emplace_back().mutable_request_delete_range();
      range->set_key(piece.first);
      range->set_range_end(piece.second);
    }
  }
  for (const auto& [key, op] : net.keys) {
    if (op->kind == MetaOp::Kind::kPut) {
      auto* put = requests.emplace_back().mutable_request_put();
      put->set_key(key);
      put->set_value(op->value);
      put->set_lease(op->lease);
    } else {
      requests.emplace_back().mutable_request_delete_range()->set_key(key);
    }
  }
  return requests;
}

etcdserverpb::Compare CompareOf(const std::string& root, const MetaCompare& compare) {
  etcdserverpb::Compare made;
  made.set_key(root + compare.key);
  made.set_result(etcdserverpb::Compare::EQUAL);
  switch (compare.target) {
    case MetaCompare::Target::kCreateRevision:
      made.set_target(etcdserverpb::Compare::CREATE);
      made.set_create_revision(compare.revision);
      break;
    case MetaCompare::Target::kModRevision:
      made.set_target(etcdserverpb::Compare::MOD);
      made.set_mod_revision(compare.revision);
      break;
    case MetaCompare::Target::kValue:
      made.set_target(etcdserverpb::Compare::VALUE);
      made.set_value(compare.value);
      break;
  }
  return made;
}

void AddGet(const std::string& key, bool keys_only, etcdserverpb::TxnRequest& request) {
  auto* get = request.add_failure()->mutable_request_range();
  get->set_key(key);
  get->set_keys_only(keys_only);
}

}  // namespace

std::string EtcdPrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::string(1, '\0');  // to the end of everything
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

etcdserverpb::TxnRequest MakeEtcdTxn(const std::string& root, const MetaTxn& txn,
                                     const EtcdSlot& slot, const std::string& slot_value) {
  etcdserverpb::TxnRequest request;
  AddGet(slot.key, false, request);
  for (const MetaCompare& compare : txn.compares) {
    *request.add_compare() = CompareOf(root, compare);
    AddGet(root + compare.key, compare.target != MetaCompare::Target::kValue, request);
  }
  std::vector<etcdserverpb::RequestOp> requests = RequestsOf(NetEffectOf(root, txn.ops));
  if (requests.empty()) return request;

  *request.add_compare() = CompareOf("", MetaCompare::Unchanged(slot.key, slot.revision));
  auto* mark = requests.emplace_back().mutable_request_put();
  mark->set_key(slot.key);
  mark->set_value(slot_value);
  const bool flat = static_cast<int>(requests.size()) <= kOpsFlat;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (flat) {
      *request.add_success() = std::move(requests[i]);
      continue;
    }
    if (i % kOpsPerChunk == 0) request.add_success()->mutable_request_txn();
    auto& chunk = *request.mutable_success(request.success_size() - 1)->mutable_request_txn();
    *chunk.add_success() = std::move(requests[i]);
  }
  return request;
}

std::optional<size_t> FailedCompare(const MetaTxn& txn, const etcdserverpb::TxnResponse& response) {
  for (size_t i = 0; i < txn.compares.size(); ++i) {
    const MetaCompare& compare = txn.compares[i];
    const int at = static_cast<int>(i) + 1;
    if (at >= response.responses_size()) return i;
    const auto& found = response.responses(at).response_range();
    const bool exists = found.kvs_size() > 0;
    const mvccpb::KeyValue kv = exists ? found.kvs(0) : mvccpb::KeyValue();
    bool holds = false;
    switch (compare.target) {
      case MetaCompare::Target::kCreateRevision:
        holds = compare.revision == kv.create_revision();
        break;
      case MetaCompare::Target::kModRevision:
        holds = compare.revision == kv.mod_revision();
        break;
      case MetaCompare::Target::kValue:
        holds = exists && compare.value == kv.value();
        break;
    }
    if (!holds) return i;
  }
  return std::nullopt;
}

MetaEntry EtcdEntry(const std::string& root, const mvccpb::KeyValue& kv) {
  return {kv.key().substr(std::min(root.size(), kv.key().size())), kv.value(), kv.create_revision(),
          kv.mod_revision()};
}

}  // namespace kite::store
