#include "store/faulty/faulty_stores.h"

#include <type_traits>
#include <utility>

namespace kite::store {
namespace {

class FaultyMetaStore final : public MetaStore {
 public:
  FaultyMetaStore(std::unique_ptr<MetaStore> store, std::shared_ptr<FaultPolicy> policy)
      : store_(std::move(store)), policy_(std::move(policy)) {}

  Result<std::optional<MetaEntry>> Get(const Context& context, const std::string& key) override {
    return Run(StoreCall::kRead, [&] { return store_->Get(context, key); });
  }
  Result<MetaPage> Range(const Context& context, const std::string& prefix,
                         const std::string& after, size_t limit) override {
    return Run(StoreCall::kRead, [&] { return store_->Range(context, prefix, after, limit); });
  }
  Result<int64_t> Commit(const Context& context, const MetaTxn& txn) override {
    return Run(StoreCall::kWrite, [&] { return store_->Commit(context, txn); });
  }
  Result<std::unique_ptr<MetaWatch>> Watch(
      const std::string& prefix, int64_t from_revision,
      std::function<void(const std::vector<MetaEvent>&)> on_event) override {
    return Run(StoreCall::kOpen,
               [&] { return store_->Watch(prefix, from_revision, std::move(on_event)); });
  }
  Result<LeaseId> GrantLease(const Context& context, std::chrono::milliseconds ttl) override {
    return Run(StoreCall::kLease, [&] { return store_->GrantLease(context, ttl); });
  }
  Status KeepAlive(const Context& context, LeaseId lease) override {
    return Run(StoreCall::kLease, [&] { return store_->KeepAlive(context, lease); });
  }
  Status RevokeLease(const Context& context, LeaseId lease) override {
    return Run(StoreCall::kLease, [&] { return store_->RevokeLease(context, lease); });
  }

 private:
  template <typename Call>
  std::invoke_result_t<Call> Run(StoreCall kind, Call call) {
    return WithFaults(*policy_, kind, StatusSubject::kMeta, std::move(call));
  }
  const std::unique_ptr<MetaStore> store_;
  const std::shared_ptr<FaultPolicy> policy_;
};

class FaultyLogWriter final : public LogWriter {
 public:
  FaultyLogWriter(std::unique_ptr<LogWriter> writer, std::shared_ptr<FaultPolicy> policy)
      : writer_(std::move(writer)), policy_(std::move(policy)) {}

  Status Append(std::span<const std::string_view> pieces, Done done) override {
    const Fault fault = policy_->Next(StoreCall::kWrite);
    if (fault == Fault::kBefore) {
      return Status::Unavailable(StatusSubject::kLog, "an injected failure: nothing was done");
    }
    if (fault == Fault::kNone) return writer_->Append(pieces, std::move(done));
    return writer_->Append(pieces, [done = std::move(done)](const Result<LogOffset>& /*offset*/) {
      if (done)
        done(Status::IoError(StatusSubject::kLog, "an injected failure: the outcome is unknown"));
    });
  }
  Status CheckCounts(const Context& context) override {
    return WithFaults(*policy_, StoreCall::kRead, StatusSubject::kLog,
                      [&] { return writer_->CheckCounts(context); });
  }
  [[nodiscard]] Epoch epoch() const override { return writer_->epoch(); }

 private:
  const std::unique_ptr<LogWriter> writer_;
  const std::shared_ptr<FaultPolicy> policy_;
};

class FaultyLogStore final : public LogStore {
 public:
  FaultyLogStore(std::unique_ptr<LogStore> store, std::shared_ptr<FaultPolicy> policy)
      : store_(std::move(store)), policy_(std::move(policy)) {}

  [[nodiscard]] StreamId streams() const override { return store_->streams(); }
  Result<std::unique_ptr<LogWriter>> OpenWriter(const Context& context, StreamId stream,
                                                Epoch epoch) override {
    Result<std::unique_ptr<LogWriter>> writer =
        Run(StoreCall::kOpen, [&] { return store_->OpenWriter(context, stream, epoch); });
    if (!writer.ok()) return writer;
    return std::make_unique<FaultyLogWriter>(std::move(*writer), policy_);
  }
  Result<std::vector<LogRecord>> Read(const Context& context, StreamId stream, LogOffset from,
                                      size_t bytes_max, LogOffset* next) override {
    return Run(StoreCall::kRead,
               [&] { return store_->Read(context, stream, from, bytes_max, next); });
  }
  Status WaitBeyond(const Context& context, StreamId stream, LogOffset offset) override {
    return Run(StoreCall::kRead, [&] { return store_->WaitBeyond(context, stream, offset); });
  }
  Status Truncate(const Context& context, StreamId stream, LogOffset offset) override {
    return Run(StoreCall::kWrite, [&] { return store_->Truncate(context, stream, offset); });
  }
  Result<StreamInfo> Info(const Context& context, StreamId stream) override {
    return Run(StoreCall::kRead, [&] { return store_->Info(context, stream); });
  }

 private:
  template <typename Call>
  std::invoke_result_t<Call> Run(StoreCall kind, Call call) {
    return WithFaults(*policy_, kind, StatusSubject::kLog, std::move(call));
  }
  const std::unique_ptr<LogStore> store_;
  const std::shared_ptr<FaultPolicy> policy_;
};

class FaultyObjectWriter final : public ObjectWriter {
 public:
  FaultyObjectWriter(std::unique_ptr<ObjectWriter> writer, std::shared_ptr<FaultPolicy> policy)
      : writer_(std::move(writer)), policy_(std::move(policy)) {}
  Status Append(std::string_view bytes) override {
    return WithFaults(*policy_, StoreCall::kWrite, StatusSubject::kObject,
                      [&] { return writer_->Append(bytes); });
  }
  Status Finish() override {
    return WithFaults(*policy_, StoreCall::kWrite, StatusSubject::kObject,
                      [&] { return writer_->Finish(); });
  }

 private:
  const std::unique_ptr<ObjectWriter> writer_;
  const std::shared_ptr<FaultPolicy> policy_;
};

class FaultyObjectStore final : public ObjectStore {
 public:
  FaultyObjectStore(std::unique_ptr<ObjectStore> store, std::shared_ptr<FaultPolicy> policy)
      : store_(std::move(store)), policy_(std::move(policy)) {}

  Status Put(const Context& context, const std::string& key, std::string_view bytes) override {
    return Run(StoreCall::kWrite, [&] { return store_->Put(context, key, bytes); });
  }
  Status PutNew(const Context& context, const std::string& key, std::string_view bytes) override {
    return Run(StoreCall::kWrite, [&] { return store_->PutNew(context, key, bytes); });
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const Context& context,
                                                   const std::string& key) override {
    Result<std::unique_ptr<ObjectWriter>> writer =
        Run(StoreCall::kOpen, [&] { return store_->OpenWriter(context, key); });
    if (!writer.ok()) return writer;
    return std::make_unique<FaultyObjectWriter>(std::move(*writer), policy_);
  }
  Result<std::string> Get(const Context& context, const std::string& key) override {
    return Run(StoreCall::kRead, [&] { return store_->Get(context, key); });
  }
  Result<std::string> GetRange(const Context& context, const std::string& key, uint64_t offset,
                               uint64_t size) override {
    return Run(StoreCall::kRead, [&] { return store_->GetRange(context, key, offset, size); });
  }
  Result<std::shared_ptr<const ObjectView>> Map(const Context& context,
                                                const std::string& key) override {
    return Run(StoreCall::kRead, [&] { return store_->Map(context, key); });
  }
  Result<ObjectInfo> Head(const Context& context, const std::string& key) override {
    return Run(StoreCall::kRead, [&] { return store_->Head(context, key); });
  }
  Result<ObjectPage> List(const Context& context, const std::string& prefix,
                          const std::string& after, size_t limit) override {
    return Run(StoreCall::kRead, [&] { return store_->List(context, prefix, after, limit); });
  }
  Status Delete(const Context& context, const std::vector<std::string>& keys) override {
    return Run(StoreCall::kWrite, [&] { return store_->Delete(context, keys); });
  }

 private:
  template <typename Call>
  std::invoke_result_t<Call> Run(StoreCall kind, Call call) {
    return WithFaults(*policy_, kind, StatusSubject::kObject, std::move(call));
  }
  const std::unique_ptr<ObjectStore> store_;
  const std::shared_ptr<FaultPolicy> policy_;
};

}  // namespace

std::unique_ptr<MetaStore> MakeFaulty(std::unique_ptr<MetaStore> store,
                                      std::shared_ptr<FaultPolicy> policy) {
  return std::make_unique<FaultyMetaStore>(std::move(store), std::move(policy));
}

std::unique_ptr<LogStore> MakeFaulty(std::unique_ptr<LogStore> store,
                                     std::shared_ptr<FaultPolicy> policy) {
  return std::make_unique<FaultyLogStore>(std::move(store), std::move(policy));
}

std::unique_ptr<ObjectStore> MakeFaulty(std::unique_ptr<ObjectStore> store,
                                        std::shared_ptr<FaultPolicy> policy) {
  return std::make_unique<FaultyObjectStore>(std::move(store), std::move(policy));
}

}  // namespace kite::store
