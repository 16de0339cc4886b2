// Requests as pymilvus serializes them: corpus/service_fuzz/<method>[_variant], a line with the method's name, then bytes.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "api/service.h"

namespace kite::api {

struct RecordedRequest {
  std::string method;
  std::string bytes;
};

inline RecordedRequest SplitRecorded(const std::string& text) {
  const size_t line = text.find('\n');
  if (line == std::string::npos) return {};
  return {text.substr(0, line), text.substr(line + 1)};
}

/// By file name. Tests run in the folder of this file.
inline std::map<std::string, RecordedRequest> RecordedRequests() {
  std::map<std::string, RecordedRequest> requests;
  for (const auto& entry : std::filesystem::directory_iterator("corpus/service_fuzz")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    requests[entry.path().filename().string()] = SplitRecorded(text);
  }
  return requests;
}

inline const Method* FindByName(const Service& service, const std::string& method) {
  return service.Find("/milvus.proto.milvus.MilvusService/" + method);
}

/// Parses and runs a request; false when the bytes are no message. The reply is copied to `reply` if there is room.
inline bool RunRequest(const Service& service, const std::string& method, std::string_view bytes,
                       google::protobuf::Message* reply = nullptr, const std::string& database = "") {
  const Incoming incoming{{}, database, std::make_shared<google::protobuf::Arena>()};
  const Method* found = FindByName(service, method);
  if (found == nullptr) return false;
  const google::protobuf::Message* request = found->Parse(bytes, *incoming.arena);
  if (request == nullptr) return false;
  const Outcome outcome = found->Run(service, *request, incoming);
  if (reply != nullptr) reply->CopyFrom(*outcome.reply);
  return outcome.reply->SerializeAsString().size() == outcome.reply->ByteSizeLong();
}

}  // namespace kite::api
