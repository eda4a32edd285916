#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/api/blob_exchange.h"

namespace kyanite::test {

// Blobs in memory by "container/name"; answers at once. Faults are for the test to set.
class MemoryBlobs final : public BlobExchange {
 public:
  std::map<std::string, std::string> blobs;
  std::string unusable;           // a container that is refused
  std::vector<std::string> held;  // blobs whose opening is not answered
  std::string fail_append;        // a blob whose next piece is refused
  std::size_t breaks = 0;

  void create(std::string container, std::string name, Reply<std::shared_ptr<BlobOutput>> reply) override {
    if (container == unusable) return reply(refusal());
    blobs[container + "/" + name] = "";
    reply(std::shared_ptr<BlobOutput>(std::make_shared<Output>(*this, container + "/" + name)));
  }
  void probe(std::string container, std::string name, Reply<void> reply) override {
    if (!blobs.contains(container + "/" + name)) return reply(refusal());
    reply({});
  }
  void open(std::string container, std::string name, Reply<std::shared_ptr<BlobInput>> reply) override {
    const std::string key = container + "/" + name;
    for (const std::string& blob : held) {
      if (blob == key) return waiting_.push_back(std::move(reply));
    }
    const auto blob = blobs.find(key);
    if (blob == blobs.end()) return reply(refusal());
    reply(std::shared_ptr<BlobInput>(std::make_shared<Input>(blob->second)));
  }
  std::shared_ptr<BlobInput> input_of(std::string text) { return std::make_shared<Input>(std::move(text)); }
  std::shared_ptr<BlobOutput> output_of(std::string key) {
    return std::make_shared<Output>(*this, std::move(key));
  }
  void break_off() override {
    ++breaks;
    for (auto& reply : std::exchange(waiting_, {})) reply(refusal());
  }

 private:
  static Error refusal() { return Error(Errc::blob_container_invalid, "the blob service answered 403"); }

  struct Output final : BlobOutput {
    Output(MemoryBlobs& blobs, std::string key) : home(blobs), name(std::move(key)) {}
    void append(std::string bytes, Reply<void> reply) override {
      if (home.fail_append == name) return reply(Error(Errc::io_failed, "the disk is full"));
      text += bytes;
      reply({});
    }
    void finish(Reply<void> reply) override {
      home.blobs[name] = text;
      reply({});
    }
    MemoryBlobs& home;
    std::string name;
    std::string text;
  };
  struct Input final : BlobInput {
    explicit Input(std::string all) : text(std::move(all)) {}
    std::uint64_t size() const override { return text.size(); }
    void read(Reply<std::string> reply) override {
      constexpr std::size_t kPiece = 1000;
      std::string piece = text.substr(at, kPiece);
      at += piece.size();
      reply(std::move(piece));
    }
    std::string text;
    std::size_t at = 0;
  };
  std::vector<Reply<std::shared_ptr<BlobInput>>> waiting_;
};

}  // namespace kyanite::test
