// The transport, through real channels.
#include "api/grpc_server.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "api/fake_roles.h"
#include "api/wire.h"

namespace kite::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr char kPrefix[] = "/milvus.proto.milvus.MilvusService/";

/// One call at a time through a channel of its own.
class Client {
 public:
  explicit Client(int port, grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    grpc::ChannelArguments arguments;
    arguments.SetCompressionAlgorithm(compression);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(),
                                         arguments);
  }

  grpc::Status Call(const std::string& path, const std::string& bytes, std::string* reply,
                    grpc::ClientContext& context) {
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    const grpc::Slice slice(bytes);
    const auto call = stub.PrepareUnaryCall(&context, path, grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer received;
    grpc::Status status;
    call->Finish(&received, &status, this);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    grpc::Slice whole;
    if (status.ok() && received.DumpToSingleSlice(&whole).ok() && reply != nullptr) {
      reply->assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
    }
    return status;
  }

  template <typename Reply, typename Request>
  Reply Ask(const std::string& method, const Request& request, grpc::Status* status = nullptr) {
    grpc::ClientContext context;
    std::string bytes;
    const grpc::Status got = Call(kPrefix + method, request.SerializeAsString(), &bytes, context);
    if (status != nullptr) *status = got;
    Reply reply;
    EXPECT_TRUE(reply.ParseFromString(bytes));
    return reply;
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

class GrpcServerTest : public testing::Test, public CallObserver {
 protected:
  GrpcOptions options_{.port = 0};

  /// The server calls this object until it is gone.
  void TearDown() override { server_.reset(); }
  void Start() {
    auto started = GrpcServer::Start(options_, roles_.roles(), {.version = "v2.6.4"}, this);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
  }
  void OnCall(std::string_view method, int32_t code, double) override {
    std::lock_guard lock(mutex_);
    calls_.emplace_back(method, code);
  }
  void OnDefect(std::string_view, std::string_view) override {}

  /// Queries wait until their context ends or Open() is called.
  void HoldQueries() {
    roles_.on_query = [this](const Context& context, const model::QueryRequest&) -> Result<model::QueryResult> {
      ++waiting_;
      Status status;
      while (!open_ && status.ok()) {
        std::this_thread::sleep_for(milliseconds(1));
        status = context.Check();
      }
      --waiting_;
      if (!status.ok()) ended_with_ = status.kind();
      KITE_RETURN_IF_ERROR(status);
      return model::QueryResult{.key_field = "id", .count = 1};
    };
  }
  void AwaitWaiting(int count) const {
    while (waiting_ != count) std::this_thread::sleep_for(milliseconds(1));
  }

  std::mutex mutex_;
  std::vector<std::pair<std::string, int32_t>> calls_;
  std::atomic<int> waiting_{0};
  std::atomic<bool> open_{false};
  std::atomic<StatusKind> ended_with_{StatusKind::kOk};
  FakeRoles roles_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcServerTest, AnswersCallsAndObservesThem) {
  Start();
  Client client(server_->port());
  EXPECT_EQ(client.Ask<pb::GetVersionResponse>("GetVersion", pb::GetVersionRequest()).version(), "v2.6.4");
  pb::DescribeCollectionRequest request;
  request.set_collection_name("nope");
  EXPECT_EQ(client.Ask<pb::DescribeCollectionResponse>("DescribeCollection", request).status().code(), 100);
  std::lock_guard lock(mutex_);
  ASSERT_EQ(calls_.size(), 2U);
  EXPECT_EQ(calls_[1], (std::pair<std::string, int32_t>("DescribeCollection", 100)));
}

TEST_F(GrpcServerTest, TheDatabaseComesFromTheMetadata) {
  Start();
  Client client(server_->port());
  grpc::ClientContext context;
  context.AddMetadata("dbname", "nodb");
  context.AddMetadata("authorization", "cm9vdDpNaWx2dXM=");
  std::string bytes;
  ASSERT_TRUE(client.Call(kPrefix + std::string("Connect"), "", &bytes, context).ok());
  pb::ConnectResponse reply;
  ASSERT_TRUE(reply.ParseFromString(bytes));
  EXPECT_EQ(reply.status().code(), 800);
}

TEST_F(GrpcServerTest, MethodsThatAreNotThere) {
  Start();
  Client client(server_->port());
  grpc::ClientContext known;
  grpc::Status status = client.Call(kPrefix + std::string("HybridSearch"), "", nullptr, known);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "method HybridSearch is not built yet in this server");
  grpc::ClientContext unknown;
  status = client.Call("/some.Service/Thing", "", nullptr, unknown);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "unknown method /some.Service/Thing");
}

TEST_F(GrpcServerTest, BytesThatAreNoRequest) {
  Start();
  Client client(server_->port());
  grpc::ClientContext context;
  const grpc::Status status = client.Call(kPrefix + std::string("Search"), "\xff\xff\xff", nullptr, context);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "Search: the request is not a valid message of its type");
}

TEST_F(GrpcServerTest, RequestsAndRepliesOverTheLimit) {
  options_.max_receive_bytes = 1 << 16;
  options_.max_send_bytes = 64;
  Start();
  Client client(server_->port());
  grpc::ClientContext large;
  grpc::Status status = client.Call(kPrefix + std::string("Search"), std::string(1 << 17, 'x'), nullptr, large);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(status.error_message().find("larger than max"), std::string::npos) << status.error_message();
  pb::DescribeCollectionRequest request;
  request.set_collection_name("c");
  grpc::ClientContext reply;
  status = client.Call(kPrefix + std::string("DescribeCollection"), request.SerializeAsString(), nullptr, reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
}

TEST_F(GrpcServerTest, CompressionDoesNotGetAroundTheLimit) {
  options_.max_receive_bytes = 1 << 16;
  Start();
  Client client(server_->port(), GRPC_COMPRESS_GZIP);
  grpc::ClientContext context;
  const std::string bomb(size_t{1} << 24, '\0');
  const grpc::Status status = client.Call(kPrefix + std::string("Search"), bomb, nullptr, context);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
}

TEST_F(GrpcServerTest, ALargeInsertArrivesWhole) {
  Start();
  Client client(server_->port());
  constexpr int kRows = 20'000;
  constexpr int kDim = 256;
  pb::InsertRequest request;
  request.set_collection_name("c");
  request.set_num_rows(kRows);
  auto* data = request.add_fields_data();
  data->set_field_name("vec");
  data->set_type(pb_schema::FloatVector);
  data->mutable_vectors()->set_dim(kDim);
  auto* floats = data->mutable_vectors()->mutable_float_vector()->mutable_data();
  floats->Resize(kRows * kDim, 0);
  for (int i = 0; i < kRows * kDim; ++i) floats->Set(i, static_cast<float>(i % 1013));
  EXPECT_EQ(client.Ask<pb::MutationResult>("Insert", request).insert_cnt(), kRows);
  std::lock_guard lock(mutex_);  // OnCall came after the insert
  const model::Column& column = roles_.inserted->columns[0].column;
  ASSERT_EQ(column.data.size(), size_t{kRows} * kDim * 4);
  EXPECT_EQ(std::memcmp(column.data.view().data(), floats->data(), column.data.size()), 0);
}

TEST_F(GrpcServerTest, ACancelledCallEndsTheWork) {
  HoldQueries();
  Start();
  Client client(server_->port());
  grpc::ClientContext context;
  std::thread canceller([&] {
    AwaitWaiting(1);
    context.TryCancel();
  });
  const grpc::Status status = client.Call(kPrefix + std::string("Query"), "", nullptr, context);
  canceller.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  AwaitWaiting(0);
  EXPECT_EQ(ended_with_.load(), StatusKind::kCancelled);
}

TEST_F(GrpcServerTest, TheClientsDeadlineIsTheContexts) {
  HoldQueries();
  Start();
  Client client(server_->port());
  // A deadline that is over before the call arrives ends it without a handler; then it gets a longer one.
  for (auto patience = milliseconds(50); ended_with_ == StatusKind::kOk; patience *= 2) {
    grpc::ClientContext context;
    context.set_deadline(system_clock::now() + patience);
    std::string bytes;
    const grpc::Status status = client.Call(kPrefix + std::string("Query"), "", &bytes, context);
    // Both ends watch the same deadline: either may be the first to say so.
    pb::QueryResults reply;
    ASSERT_TRUE(reply.ParseFromString(bytes));
    EXPECT_TRUE(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED || reply.status().code() != 0);
    AwaitWaiting(0);
  }
}

TEST_F(GrpcServerTest, AFullQueueAnswersBackPressure) {
  HoldQueries();
  options_.rpc_threads = 1;
  options_.rpc_queue_max = 1;
  Start();
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
  std::atomic<int> answered{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      Client client(server_->port());
      const auto reply = client.Ask<pb::QueryResults>("Query", pb::QueryRequest());
      const bool full = reply.status().code() == 8 && reply.status().error_code() == pb_common::RateLimit;
      ++(full ? refused : answered);
      if (full) {
        EXPECT_TRUE(reply.status().retriable());
      }
    });
    if (i == 0) AwaitWaiting(1);  // the thread is taken before the queue's only place is
  }
  while (refused < 4) std::this_thread::sleep_for(milliseconds(1));
  Client client(server_->port());  // what runs in place still answers
  EXPECT_TRUE(client.Ask<pb::CheckHealthResponse>("CheckHealth", pb::CheckHealthRequest()).ishealthy());
  open_ = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 4);
  EXPECT_EQ(answered, 2);
}

TEST_F(GrpcServerTest, RequestsInWorkAreBoundedByBytes) {
  HoldQueries();
  options_.request_bytes_max = size_t{300} << 10;
  Start();
  const auto query_of = [](size_t bytes) {
    pb::QueryRequest request;
    request.set_expr(std::string(bytes, 'x'));
    return request;
  };
  std::thread large([&] {
    Client client(server_->port());
    client.Ask<pb::QueryResults>("Query", query_of(size_t{200} << 10));
  });
  AwaitWaiting(1);
  Client client(server_->port());
  const auto refused = client.Ask<pb::QueryResults>("Query", query_of(size_t{200} << 10));
  EXPECT_EQ(refused.status().code(), 8);
  EXPECT_TRUE(refused.status().retriable());
  std::thread small([&] {
    Client other(server_->port());
    other.Ask<pb::QueryResults>("Query", query_of(10));
  });
  AwaitWaiting(2);  // small ones are always taken
  open_ = true;
  large.join();
  small.join();
  // What was taken was given back; a request above the limit is taken when it is alone.
  EXPECT_NE(client.Ask<pb::QueryResults>("Query", query_of(size_t{400} << 10)).status().code(), 8);
  EXPECT_NE(client.Ask<pb::QueryResults>("Query", query_of(size_t{400} << 10)).status().code(), 8);
}

TEST_F(GrpcServerTest, ManyClientsAtOnce) {
  Start();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      Client client(server_->port());
      pb::DescribeCollectionRequest request;
      request.set_collection_name("c");
      for (int i = 0; i < 200; ++i) {
        good += client.Ask<pb::DescribeCollectionResponse>("DescribeCollection", request).collectionid() == 1000;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 1600);
}

TEST_F(GrpcServerTest, ShutdownCancelsWhatDoesNotEndInTime) {
  HoldQueries();
  Start();
  std::thread caller([port = server_->port()] {
    Client client(port);
    grpc::ClientContext context;
    EXPECT_FALSE(client.Call(kPrefix + std::string("Query"), "", nullptr, context).ok());
  });
  AwaitWaiting(1);
  server_->Shutdown(system_clock::now() + milliseconds(50));
  EXPECT_EQ(waiting_, 0);
  EXPECT_EQ(ended_with_.load(), StatusKind::kCancelled);
  caller.join();
}

TEST_F(GrpcServerTest, ShutdownWhileCallsArrive) {
  for (int round = 0; round < 20; ++round) {
    Start();
    std::atomic<int> answered{0};
    std::vector<std::thread> callers;
    for (int t = 0; t < 4; ++t) {
      callers.emplace_back([&, port = server_->port()] {
        Client client(port);
        grpc::Status status;
        while (status.ok()) {
          grpc::ClientContext context;
          status = client.Call(kPrefix + std::string("GetVersion"), "", nullptr, context);
          ++answered;
        }
      });
    }
    while (answered < 8) std::this_thread::yield();
    server_->Shutdown(system_clock::now());
    for (std::thread& caller : callers) caller.join();
  }
}

TEST_F(GrpcServerTest, AnAddressInUseIsNamed) {
  Start();
  GrpcOptions same{.port = server_->port()};
  const auto second = GrpcServer::Start(same, roles_.roles(), {}, nullptr);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().message(),
            "cannot listen on 127.0.0.1:" + std::to_string(server_->port()) + ": Address already in use");
  GrpcOptions nowhere{.address = "no such host"};
  EXPECT_FALSE(GrpcServer::Start(nowhere, roles_.roles(), {}, nullptr).ok());
}

}  // namespace
}  // namespace kite::api
