#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "server/hub/device_host.h"

namespace kyanite {

// TwinState is the twin of one identity on its owner shard (spec device-mqtt.md 6, service-rest.md 5).
//
// One store operation is in flight at a time. Updates that come meanwhile wait, and the next write takes all
// of them: each has its own versions, answer, event and notification, in the order sent; all are answered
// after the commit, and so is a read that stands between them. After a failed write the document is read
// again.
//
// Owner: a DeviceActor; it exists while it is not quiet or the identity is connected. The actor has checked
// that the identity exists. Bound: limits::kDeviceQueueMax waiting operations (Errc::busy beyond).
class TwinState {
 public:
  TwinState(DeviceHost& host, std::string module);
  ~TwinState();
  TwinState(const TwinState&) = delete;
  TwinState& operator=(const TwinState&) = delete;

  void get(GetTwin message);
  void patch(PatchReported message);
  void update(UpdateTwin message);
  // The model of a connection; changes no version and is not waited for.
  void announce_model(std::string model_id);

  // The identity was deleted: what waits is answered device_not_found, and nothing is written any more. The
  // object stays until it is quiet.
  void on_erased();

  bool is_quiet() const;

 private:
  struct AnnounceModel {
    std::string model_id;
  };
  using Operation = std::variant<GetTwin, PatchReported, UpdateTwin, AnnounceModel>;

  DeviceHost& host_;
  std::string module_;
  std::optional<TwinRecord> committed_;  // read when first needed
  std::deque<Operation> waiting_;
  bool in_flight_ = false;
  bool erased_ = false;
};

}  // namespace kyanite
