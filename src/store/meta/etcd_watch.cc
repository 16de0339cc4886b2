#include "store/meta/etcd_watch.h"

#include <pthread.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/sleep.h"
#include "etcd_rpc.grpc.pb.h"
#include "store/meta/etcd_txn.h"

namespace kite::store {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kPage = 1000;
constexpr milliseconds kPauseMin{50};
constexpr milliseconds kPauseMax{1000};

class Watcher final : public EtcdWatcher, public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(std::shared_ptr<EtcdClient> client, const std::string& root, const std::string& prefix,
          OnEvent on_event)
      : client_(std::move(client)),
        root_(root),
        begin_(root + prefix),
        end_(EtcdPrefixEnd(begin_)),
        on_event_(std::move(on_event)) {}
  ~Watcher() override = default;

  Status Start(int64_t from_revision);
  void End() override;

 private:
  using Stream = grpc::ClientReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>;

  /// Calls `on_entry` for everything under the prefix at `revision` (0: now; then set to it).
  EtcdClient::Try ReadAll(int64_t* revision, bool keys_only,
                          const std::function<void(const mvccpb::KeyValue&)>& on_entry);
  void Run();
  void Follow();
  bool Handle(const etcdserverpb::WatchResponse& response);
  void CatchUp();
  void Tell(std::vector<MetaEvent> events);
  void Pause();

  const std::shared_ptr<EtcdClient> client_;
  const std::string root_;
  const std::string begin_;
  const std::string end_;
  const OnEvent on_event_;
  const Context context_ = Context::Cancellable();

  // Of the thread, once it runs.
  int64_t seen_ = 0;            ///< changes up to here were told
  std::set<std::string> keys_;  ///< what exists at seen_: for when the history is gone
  milliseconds pause_ = kPauseMin;

  std::mutex mutex_;  ///< guards what follows
  std::thread thread_;
};

Status Watcher::Start(int64_t from_revision) {
  seen_ = from_revision;
  const EtcdClient::Try read =
      ReadAll(&seen_, true, [this](const mvccpb::KeyValue& kv) { keys_.insert(kv.key()); });
  if (read.code == grpc::StatusCode::OUT_OF_RANGE) {
    return Status::Exhausted(
        StatusSubject::kMeta,
        "the history after revision " + std::to_string(from_revision) +
            " is gone; read again and watch from there: " + read.status.message());
  }
  if (read.outcome != EtcdClient::Outcome::kOk) return read.status;
  thread_ = std::thread([self = shared_from_this()] { self->Run(); });
  pthread_setname_np(thread_.native_handle(), "kite-etcd-watch");
  return {};
}

void Watcher::End() {
  context_.Cancel();
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) return;
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

EtcdClient::Try Watcher::ReadAll(int64_t* revision, bool keys_only,
                                 const std::function<void(const mvccpb::KeyValue&)>& on_entry) {
  etcdserverpb::RangeRequest request;
  request.set_key(begin_);
  request.set_range_end(end_);
  request.set_limit(keys_only ? kPage : kPage / 10);
  request.set_keys_only(keys_only);
  request.set_revision(*revision);
  while (true) {
    etcdserverpb::RangeResponse response;
    const EtcdClient::Try read = client_->TryUntilAnswered(
        context_, [&](const EtcdClient::ChannelPtr& channel, grpc::ClientContext& call) {
          return etcdserverpb::KV::NewStub(channel)->Range(&call, request, &response);
        });
    if (read.outcome != EtcdClient::Outcome::kOk) return read;
    if (request.revision() == 0) *revision = response.header().revision();
    request.set_revision(*revision);
    for (const mvccpb::KeyValue& kv : response.kvs()) on_entry(kv);
    if (!response.more() || response.kvs().empty()) return read;
    request.set_key(response.kvs(response.kvs_size() - 1).key() + '\0');
  }
}

void Watcher::Run() {
  while (!context_.cancelled()) {
    Follow();
    Pause();
  }
}

void Watcher::Pause() {
  (void)SleepFor(context_, pause_);
  pause_ = std::min(pause_ * 2, kPauseMax);
}

/// One stream, for as long as it lasts.
void Watcher::Follow() {
  grpc::ClientContext call;
  std::string endpoint;
  const auto channel = client_->PrepareStream(context_, call, &endpoint);
  if (!channel.ok()) return;
  const std::stop_callback cancel(context_.stop_token(), [&call] { call.TryCancel(); });
  const auto stub = etcdserverpb::Watch::NewStub(*channel);
  const std::unique_ptr<Stream> stream = stub->Watch(&call);
  etcdserverpb::WatchRequest request;
  auto* create = request.mutable_create_request();
  create->set_key(begin_);
  create->set_range_end(end_);
  create->set_start_revision(seen_ + 1);
  create->set_progress_notify(true);
  bool more = stream->Write(request);
  etcdserverpb::WatchResponse response;
  while (more && stream->Read(&response)) more = Handle(response);
  call.TryCancel();
  const grpc::Status ended = stream->Finish();
  if (!context_.cancelled()) client_->StreamFailed(endpoint, ended);
}

/// False when the stream is of no use any more.
bool Watcher::Handle(const etcdserverpb::WatchResponse& response) {
  if (context_.cancelled()) return false;
  if (response.canceled()) {
    if (response.compact_revision() > 0) CatchUp();
    return false;
  }
  pause_ = kPauseMin;
  if (response.events().empty()) {
    // A note of progress: everything up to here was told.
    if (!response.created()) seen_ = std::max(seen_, response.header().revision());
    return true;
  }
  std::map<int64_t, std::vector<MetaEvent>> by_revision;
  for (const mvccpb::Event& event : response.events()) {
    const int64_t revision = event.kv().mod_revision();
    if (revision <= seen_) continue;
    const bool deleted = event.type() == mvccpb::Event::DELETE;
    MetaEntry entry = EtcdEntry(root_, event.kv());
    if (deleted) entry = {entry.key, {}, 0, revision};
    by_revision[revision].push_back(
        {deleted ? MetaEvent::Kind::kDelete : MetaEvent::Kind::kPut, std::move(entry)});
    if (deleted) {
      keys_.erase(event.kv().key());
    } else {
      keys_.insert(event.kv().key());
    }
  }
  for (auto& [revision, events] : by_revision) {
    if (context_.cancelled()) return false;
    seen_ = revision;
    Tell(std::move(events));
  }
  return true;
}

/// The history between seen_ and now is gone: tells what is different.
void Watcher::CatchUp() {
  int64_t revision = 0;
  std::vector<MetaEvent> events;
  std::set<std::string> keys;
  const EtcdClient::Try read = ReadAll(&revision, false, [&](const mvccpb::KeyValue& kv) {
    keys.insert(kv.key());
    if (kv.mod_revision() > seen_) events.push_back({MetaEvent::Kind::kPut, EtcdEntry(root_, kv)});
  });
  if (read.outcome != EtcdClient::Outcome::kOk) return;  // the next stream meets the same again
  for (const std::string& key : keys_) {
    if (keys.contains(key)) continue;
    events.push_back({MetaEvent::Kind::kDelete, {key.substr(root_.size()), {}, 0, revision}});
  }
  keys_ = std::move(keys);
  seen_ = revision;
  if (!events.empty() && !context_.cancelled()) Tell(std::move(events));
}

void Watcher::Tell(std::vector<MetaEvent> events) {
  std::ranges::sort(events, {}, [](const MetaEvent& event) { return event.entry.key; });
  on_event_(events);
}

}  // namespace

Result<std::shared_ptr<EtcdWatcher>> StartEtcdWatcher(std::shared_ptr<EtcdClient> client,
                                                      const std::string& root,
                                                      const std::string& prefix,
                                                      int64_t from_revision,
                                                      EtcdWatcher::OnEvent on_event) {
  auto watcher = std::make_shared<Watcher>(std::move(client), root, prefix, std::move(on_event));
  KITE_RETURN_IF_ERROR(watcher->Start(from_revision));
  return std::shared_ptr<EtcdWatcher>(std::move(watcher));
}

}  // namespace kite::store
