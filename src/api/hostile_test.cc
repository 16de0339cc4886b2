// Malformed requests against every handler: mutations of what a client really sends, cut and random bytes. Each must end
// in a reply or in "not a message", with nothing read out of bounds (the sanitizer builds see to that).
#include <gtest/gtest.h>

#include <random>

#include "api/fake_roles.h"
#include "api/test_requests.h"

namespace kite::api {
namespace {

constexpr uint32_t kSeed = 20'240'901;

class Hostile : public testing::Test {
 protected:
  FakeRoles roles_;
  Service service_{roles_.roles(), {}, nullptr};
  std::map<std::string, RecordedRequest> requests_ = RecordedRequests();
};

TEST_F(Hostile, EveryBuiltMethodHasARecordedRequest) {
  for (const auto& [path, method] : service_.methods()) {
    EXPECT_TRUE(requests_.contains(std::string(method->name()))) << path;
  }
}

TEST_F(Hostile, RecordedRequestsRun) {
  for (const auto& [name, request] : requests_) {
    EXPECT_TRUE(RunRequest(service_, request.method, request.bytes)) << name;
  }
}

TEST_F(Hostile, CutRequests) {
  for (const auto& [name, request] : requests_) {
    const size_t step = request.bytes.size() / 200 + 1;
    for (size_t size = 0; size < request.bytes.size(); size += step) {
      RunRequest(service_, request.method, request.bytes.substr(0, size));
    }
  }
}

/// One to four changes: a bit, a byte, a run of bytes out, doubled or overwritten with what varints like least.
void Mutate(std::mt19937& random, std::string& bytes) {
  const auto below = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  for (uint32_t changes = 1 + random() % 4; changes-- > 0 && !bytes.empty();) {
    const size_t at = below(bytes.size());
    const size_t length = 1 + below(std::min<size_t>(bytes.size() - at, 16));
    switch (random() % 6) {
      case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8))); break;
      case 1: bytes[at] = static_cast<char>(random()); break;
      case 2: bytes.erase(at, length); break;
      case 3: bytes.insert(at, bytes.substr(at, length)); break;
      case 4: bytes.replace(at, length, length, '\xff'); break;
      default: bytes.replace(at, length, length, '\0'); break;
    }
  }
}

TEST_F(Hostile, MutatedRequests) {
  std::mt19937 random(kSeed);
  for (const auto& [name, request] : requests_) {
    const int rounds = request.bytes.size() > 100 ? 4000 : 300;
    for (int i = 0; i < rounds; ++i) {
      std::string bytes = request.bytes;
      Mutate(random, bytes);
      RunRequest(service_, request.method, bytes);
    }
  }
}

TEST_F(Hostile, RandomBytes) {
  std::mt19937 random(kSeed);
  for (const auto& [path, method] : service_.methods()) {
    for (int i = 0; i < 300; ++i) {
      std::string bytes(random() % 64, '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
      RunRequest(service_, std::string(method->name()), bytes);
    }
  }
}

TEST_F(Hostile, OneMethodsRequestSentToAnother) {
  for (const auto& [path, method] : service_.methods()) {
    for (const auto& [name, request] : requests_) RunRequest(service_, std::string(method->name()), request.bytes);
  }
}

TEST_F(Hostile, DeeplyNestedJsonInParams) {
  pb::SearchRequest request;
  auto* pair = request.add_search_params();
  pair->set_key("params");
  for (const size_t depth : {size_t{100}, size_t{500'000}}) {
    pair->set_value("{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}");
    pb::SearchResults reply;
    ASSERT_TRUE(RunRequest(service_, "Search", request.SerializeAsString(), &reply));
    EXPECT_EQ(reply.status().code(), 1100);
    EXPECT_NE(reply.status().reason().find("a JSON object is expected"), std::string::npos);
  }
}

TEST_F(Hostile, DeeplyNestedTemplates) {
  pb::SearchRequest request;
  auto& value = (*request.mutable_expr_template_values())["x"];
  value.mutable_array_val()->mutable_json_data()->add_data(std::string(100'000, '['));
  pb::SearchResults reply;
  ASSERT_TRUE(RunRequest(service_, "Search", request.SerializeAsString(), &reply));
  EXPECT_EQ(reply.status().code(), 1100);
  auto* array = value.mutable_array_val()->mutable_array_data()->add_data();
  for (int i = 0; i < 20; ++i) array = array->mutable_array_data()->add_data();
  ASSERT_TRUE(RunRequest(service_, "Search", request.SerializeAsString(), &reply));
  EXPECT_EQ(reply.status().reason(), "template value 'x' is nested too deep: invalid parameter");
}

}  // namespace
}  // namespace kite::api
