#include "api/service.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <exception>
#include <new>

#include "api/handlers.h"
#include "kite_wire_methods.h"

namespace kite::api {

namespace {

constexpr std::string_view kServiceName = "milvus.proto.milvus.MilvusService";

}  // namespace

Service::Service(const roles::Roles& roles, ServerInfo info, CallObserver* observer)
    : roles_(roles), info_(std::move(info)), observer_(observer) {
  // A malformed request is answered; protobuf would also print a line about it that any client can repeat for ever.
  google::protobuf::SetLogHandler(nullptr);
  AddAliasHandlers(*this);
  AddCollectionHandlers(*this);
  AddCompactionHandlers(*this);
  AddDatabaseHandlers(*this);
  AddDeleteHandlers(*this);
  AddDescribeHandlers(*this);
  AddFlushHandlers(*this);
  AddIndexHandlers(*this);
  AddInsertHandlers(*this);
  AddLoadHandlers(*this);
  AddPartitionHandlers(*this);
  AddQueryHandlers(*this);
  AddSearchHandlers(*this);
  AddSegmentHandlers(*this);
  AddSystemHandlers(*this);
}

void Service::AddMethod(std::unique_ptr<Method> method) {
  const auto known = std::ranges::find_if(wire::kMethods, [&](const wire::Method& candidate) {
    return candidate.service == kServiceName && candidate.name == method->name();
  });
  KITE_CHECK(known != wire::kMethods.end(), "a handler for a method that the contract does not know");
  const auto [at, added] = methods_.emplace(known->path, std::move(method));
  KITE_CHECK(added, "two handlers for one method");
}

const Method* Service::Find(std::string_view path) const {
  const auto found = methods_.find(path);
  return found == methods_.end() ? nullptr : found->second.get();
}

std::string Service::WhyMissing(std::string_view path) {
  const auto known = std::ranges::find(wire::kMethods, path, &wire::Method::path);
  if (known != wire::kMethods.end()) {
    return "method " + std::string(known->name) + " is not built yet in this server";
  }
  return "unknown method " + std::string(path.substr(0, 200));
}

Status Service::Guard(std::string_view method, const std::function<Status()>& body) const {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status::Exhausted(StatusSubject::kMemory, std::string(method) + ": not enough memory for this request");
  } catch (const std::exception& defect) {
    if (observer_ != nullptr) observer_->OnDefect(method, defect.what());
  } catch (...) {
    if (observer_ != nullptr) observer_->OnDefect(method, "an exception of an unknown type");
  }
  return Status::Internal(std::string(method) + " failed inside the server; its log says why");
}

}  // namespace kite::api
