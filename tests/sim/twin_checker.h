#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "protocol/base/json_limits.h"
#include "storage/memory/memory_state.h"
#include "tests/sim/judge.h"

namespace kyanite::sim {

enum class Section : std::uint8_t { reported, desired };

// One change of a twin: sets a key to its own number, or removes the key; one that replaces the section
// removes all other keys.
struct TwinPatch {
  std::uint64_t number = 0;
  Identity identity;
  Section section = Section::reported;
  std::string key;
  bool removes = false;
  bool replaces = false;
};

// Twins: versions grow by one with each accepted patch, no accepted patch is lost, what is in a document was
// written by the last patch of that key, and notifications come in the order of versions, none left out.
class TwinChecker {
 public:
  explicit TwinChecker(Judge& judge) : judge_(judge) {}

  void sent(const TwinPatch& patch, const MemoryState& state);
  void accepted(std::uint64_t number, std::uint64_t version, const MemoryState& state);
  void refused(std::uint64_t number);

  void on_commit(const MemoryState& state);
  // A document as somebody read it; it cannot be ahead of the store.
  // `generation` is that of the identity when it was asked; another one's versions cannot be compared.
  void read(const Identity& identity, const std::string& generation, Section section, std::uint64_t version,
            const MemoryState& state);
  // Names an identity from its creation to its end; two made in one millisecond have one generation id.
  std::string generation_of(const Identity& identity, const MemoryState& state) const;
  // The hub wrote a notification to a connection.
  void notified(const Identity& identity, std::uint64_t connection, const Json& body,
                const MemoryState& state);
  void unsubscribed(std::uint64_t connection) { notified_.erase(connection); }
  void check(const MemoryState& state);

 private:
  enum class Outcome { open, accepted, refused };
  struct Patch {
    TwinPatch patch;
    std::string generation;  // of the identity when it was sent
    Outcome outcome = Outcome::open;
    std::uint64_t version = 0;
  };
  struct Versions {
    std::string generation;
    std::uint64_t version = 0;
    std::uint64_t reported = 0;
    std::uint64_t desired = 0;
  };
  using SectionKey = std::pair<Identity, std::pair<std::string, Section>>;  // identity, generation, section

  static std::uint64_t version_of(const TwinRecord& twin, Section section);
  void check_section(const Identity& identity, Section section, const TwinRecord& twin,
                     const std::string& generation);

  Judge& judge_;
  std::map<Identity, std::size_t> ends_;  // how often it was erased
  std::map<std::uint64_t, Patch> patches_;
  std::map<SectionKey, std::map<std::uint64_t, std::uint64_t>> accepted_;  // number by version
  std::map<Identity, Versions> versions_;
  std::map<std::uint64_t, std::uint64_t> notified_;  // version by connection
};

}  // namespace kyanite::sim
