// Registry: the channels of one process. The DataNode adds and removes them; the QueryNode beside it reads the same
// objects, so that growing rows exist once.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "channel/channel.h"

namespace kite::channel {

/// Who resolved a collection's name may find it dropped a moment later: to the client it does not exist then.
inline Status NotServed() {
  return Status::NotFound(StatusSubject::kCollection,
                          "can't find collection: it was just dropped or is still being opened; nothing was done");
}

/// Thread-safe.
class Registry {
 public:
  void Add(std::shared_ptr<Channel> channel) {
    std::unique_lock lock(mutex_);
    channels_[channel->id()] = std::move(channel);
  }
  void Remove(model::ChannelId id) {
    std::unique_lock lock(mutex_);
    channels_.erase(id);
  }
  /// NotFound(Collection) while it is not served here.
  Result<std::shared_ptr<Channel>> Find(model::ChannelId id) const {
    std::shared_lock lock(mutex_);
    const auto it = channels_.find(id);
    if (it != channels_.end()) return it->second;
    return NotServed();
  }

 private:
  mutable std::shared_mutex mutex_;
  std::map<model::ChannelId, std::shared_ptr<Channel>> channels_;
};

}  // namespace kite::channel
