#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "tests/sim/sim_amqp.h"

namespace kyanite::sim {

// SimEventReader is a program that reads all partitions as the Event Hubs SDKs do, and goes on at its
// checkpoint. Several share the checkpoints; with an owner level the newest takes the partitions over.
class SimEventReader final : public SimAmqp {
 public:
  static constexpr const char* kEntity = "events";

  SimEventReader(Checkers& checkers, Random& random, const std::string& name)
      : SimAmqp(checkers, random, name) {}

  // What the state does not allow is left out.
  void connect(test::SimHub& hub, std::optional<std::int64_t> epoch);
  void give_credit();
  void take_all();       // credit for whatever there is
  void keep();           // its checkpoints
  void follow_latest();  // one more link, which wants only new events
  bool is_reading() const { return !links_.empty(); }

 private:
  struct Reading {
    std::uint32_t partition = 0;
    std::uint64_t line = 0;
    bool keeps = true;  // its place is that of the checkpoint
  };

  void on_connected() override;
  void on_forgotten() override { links_.clear(); }
  void on_attached(Handle link) override;
  void on_detached(Handle link, const std::optional<amqp::Condition>& condition) override;
  void on_received(const Client::Received& received) override;
  void attach_partition(std::uint32_t partition, bool latest);

  std::optional<std::int64_t> epoch_;
  std::map<Handle, Reading> links_;
};

}  // namespace kyanite::sim
