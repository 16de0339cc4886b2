#include "server/config_file.h"

#include <yaml-cpp/yaml.h>

#include "base/disk.h"

namespace kite::server {
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{1} << 20;
constexpr size_t kDepthMax = 16;
/// Also bounds what aliases can blow a small file up to.
constexpr size_t kNodesMax = 20'000;

class Flattener {
 public:
  explicit Flattener(const std::string& path) : path_(path) {}

  Status Add(const YAML::Node& node, const std::string& key, size_t depth) {
    if (depth > kDepthMax || ++nodes_ > kNodesMax) {
      return Status::InvalidArgument(path_ + ": the file is nested too deeply or too large");
    }
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        settings_.push_back({key, node.Scalar()});
        return {};
      case YAML::NodeType::Sequence:
        return AddList(node, key);
      case YAML::NodeType::Map:
        return AddMap(node, key, depth);
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined:
        return {};
    }
    return {};
  }

  std::vector<FlatSetting> TakeSettings() { return std::move(settings_); }

 private:
  Status AddMap(const YAML::Node& node, const std::string& key, size_t depth) {
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        return Status::InvalidArgument(path_ + ": line " +
                                       std::to_string(entry.first.Mark().line + 1) +
                                       ": a key must be a plain name");
      }
      const std::string& name = entry.first.Scalar();
      KITE_RETURN_IF_ERROR(Add(entry.second, key.empty() ? name : key + "." + name, depth + 1));
    }
    return {};
  }

  /// Lists of anything but scalars belong to keys that are not ours.
  Status AddList(const YAML::Node& node, const std::string& key) {
    std::string joined;
    for (const YAML::Node& item : node) {
      if (++nodes_ > kNodesMax) return Status::InvalidArgument(path_ + ": the file is too large");
      if (!item.IsScalar()) continue;
      joined += (joined.empty() ? "" : ",") + item.Scalar();
    }
    settings_.push_back({key, std::move(joined)});
    return {};
  }

  const std::string& path_;
  std::vector<FlatSetting> settings_;
  size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<FlatSetting>> ReadConfigFile(const std::string& path) {
  const std::shared_ptr<Disk> disk = Disk::System();
  KITE_ASSIGN_OR_RETURN(const std::string text, disk->Read(path, 0, kFileBytesMax + 1));
  if (text.size() > kFileBytesMax) {
    return Status::InvalidArgument(path + ": a configuration file may have at most 1 MiB");
  }
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap() && !root.IsNull()) {
      return Status::InvalidArgument(
          path +
          ": a configuration file holds sections and keys, such as 'proxy:' "
          "with 'port: 19530' below it");
    }
    Flattener flattener(path);
    KITE_RETURN_IF_ERROR(flattener.Add(root, "", 0));
    return flattener.TakeSettings();
  } catch (const YAML::Exception& error) {
    return Status::InvalidArgument(path + ": line " + std::to_string(error.mark.line + 1) +
                                   ": no valid YAML: " + error.msg);
  } catch (const std::exception& error) {
    return Status::InvalidArgument(path + ": no valid YAML: " + error.what());
  }
}

}  // namespace kite::server
