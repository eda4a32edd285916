#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/hub/device_host.h"
#include "server/hub/twin_record.h"

namespace kyanite {

// TwinState is the twin of one identity on its owner shard (spec device-mqtt.md 6, service-rest.md 5).
//
// One store operation is in flight at a time. Updates that come meanwhile wait, and the next write takes many
// of them: each has its own versions, answer, event and notification, in the order sent; all are answered
// after the commit, and so is a read that stands between them. What is in memory is what was last committed:
// after a failed write the document is read again.
//
// Owner: a DeviceActor; it exists while it is not quiet or the identity is connected. The actor has checked
// that the identity exists. Bound: limits::kDeviceQueueMax waiting operations (Errc::busy beyond), and a
// large document is kept only while there is work on it.
class TwinState {
 public:
  TwinState(DeviceHost& host, std::string module);
  ~TwinState();
  TwinState(const TwinState&) = delete;
  TwinState& operator=(const TwinState&) = delete;

  void get(GetTwin message);
  void patch(PatchReported message);
  void update(UpdateTwin message);
  // Judges the twin by the configurations of the hub, as every change of it does.
  void apply_configurations(ApplyConfigurations message);
  // The model of a connection; changes no version and is not waited for. A connection that names none leaves
  // the twin's model as it is.
  void announce_model(std::string model_id);

  // The identity was deleted: what waits is answered device_not_found, and nothing is written any more. The
  // object stays until it is quiet.
  void on_erased();

  bool is_quiet() const { return !in_flight_ && waiting_.empty(); }

 private:
  struct AnnounceModel {
    std::string model_id;
  };
  using Operation = std::variant<GetTwin, PatchReported, UpdateTwin, AnnounceModel, ApplyConfigurations>;

  // An operation that has been applied in memory and is answered when that is committed.
  struct Applied {
    Operation operation;
    std::optional<Error> refusal;
    TwinRecord view;                     // what a read or an update answers
    std::uint64_t reported_version = 0;  // what a reported patch answers
    std::vector<NotifyDesired> notifications;
    DeploymentVerdict deployment;
    bool deployment_changed = false;
  };

  void enqueue(Operation operation);
  void work();
  void load();
  void on_loaded(Result<TwinRecord> record);
  void write();
  void on_written(const Result<void>& written);
  void answer(Applied& applied, const Result<void>& written);
  void refuse_operation(Operation& operation, const Error& error);
  void refuse_waiting(const Error& error);
  void count(const Operation& operation, OperationResult result);
  void forget();
  void trim();
  Error absent() const;

  // Applying one operation: to next_ and, for an update, document_.
  void apply(Applied& applied, GetTwin& message);
  void apply(Applied& applied, PatchReported& message);
  void apply(Applied& applied, UpdateTwin& message);
  void apply(Applied& applied, AnnounceModel& message);
  void apply(Applied& applied, ApplyConfigurations& message);
  void configure(Applied& applied);
  void note_deployments(const UpdateTwin& message);
  Json statuses_of_deployments() const;
  bool set_statuses(const Json& statuses);
  Result<TwinDocument*> document();
  void on_changed(Applied& applied, const TwinChange& change, bool replaced);
  const TwinRecord& current();

  DeviceHost& host_;
  std::string module_;
  std::optional<TwinRecord> committed_;  // read when first needed
  std::deque<Operation> waiting_;
  bool in_flight_ = false;
  bool erased_ = false;

  // The batch under way: operations in order, and what they make of the committed record.
  std::vector<Applied> batch_;
  TwinRecord next_;
  std::optional<TwinDocument> document_;  // says what next_ and encode_ say together
  TwinSectionsChanged encode_;            // sections whose text in next_ is old
  bool changed_ = false;                  // next_ is to be written
  std::vector<TelemetryAppend> events_;
  std::vector<DocumentPut> documents_;
};

}  // namespace kyanite
