#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/support/sim_hub.h"

namespace kyanite::test {

// Tests of what a hub finds again after it was killed: one machine, and one hub on it after the other.
class RestartingHubTest : public ::testing::Test {
 protected:
  void SetUp() override { start(); }

  void start() {
    SimHub::Options options;
    options.machine = &machine_;
    hub_ = std::make_unique<SimHub>(std::move(options));
  }
  // The process ends where it stands, and a new one begins.
  void crash() {
    end();
    start();
  }
  // The same on an empty disk.
  void begin_anew() {
    end();
    machine_.stores.disk() = {};
    start();
  }
  const TwinRecord& twin(const std::string& id) const { return twin(device(id)); }
  const TwinRecord& twin(const Identity& id) const { return machine_.stores.committed().twins.at(id); }
  std::size_t documents(Collection collection) const {
    std::size_t count = 0;
    for (const auto& [key, value] : machine_.stores.committed().documents) count += key.first == collection;
    return count;
  }

  SimMachine machine_;
  std::unique_ptr<SimHub> hub_;

 private:
  void end() {
    machine_.stores.crash();
    hub_.reset();
    machine_.stores.crash();
  }
};

}  // namespace kyanite::test
