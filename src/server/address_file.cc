#include "server/address_file.h"

#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>

namespace kite::server {
namespace {

constexpr uint64_t kBytesMax = 4096;

std::string PathIn(const std::string& data_dir) { return data_dir + "/server.json"; }

bool IsAlive(int64_t pid) {
  return pid > 0 && pid <= INT32_MAX && (kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
}

std::string TextOf(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Status WriteAddressFile(Disk& disk, const std::string& data_dir, const ServerAddresses& addresses) {
  const nlohmann::ordered_json object = {{"pid", addresses.pid},
                                         {"grpc", addresses.grpc},
                                         {"http", addresses.http},
                                         {"version", addresses.version}};
  const std::string temporary = PathIn(data_dir) + ".tmp";
  KITE_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> file, disk.Create(temporary));
  KITE_RETURN_IF_ERROR(file->Append(object.dump(2) + "\n"));
  return disk.Rename(temporary, PathIn(data_dir));
}

Status RemoveAddressFile(Disk& disk, const std::string& data_dir) {
  return disk.Remove(PathIn(data_dir));
}

std::optional<ServerAddresses> ReadAddressFile(Disk& disk, const std::string& data_dir) {
  const Result<std::string> text = disk.Read(PathIn(data_dir), 0, kBytesMax);
  if (!text.ok()) return std::nullopt;
  const nlohmann::json object = nlohmann::json::parse(*text, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto pid = object.find("pid");
  if (pid == object.end() || !pid->is_number_integer() || !IsAlive(pid->get<int64_t>()))
    return std::nullopt;
  return ServerAddresses{pid->get<int64_t>(), TextOf(object, "grpc"), TextOf(object, "http"),
                         TextOf(object, "version")};
}

}  // namespace kite::server
