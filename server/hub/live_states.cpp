#include "server/hub/live_states.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/hub/activity_book.h"

namespace kyanite {
namespace {

// The answers of several owners on their way; lives on the asker's shard.
struct LiveAnswers {
  std::vector<LiveState> states;
  std::size_t missing = 0;
  AfterLiveStates then;
};

void ask_owners(Executor& home, DeviceRouter& router, std::vector<Identity> identities,
                AfterLiveStates then) {
  std::map<ShardIndex, std::vector<std::size_t>> by_owner;
  for (std::size_t i = 0; i < identities.size(); ++i) {
    by_owner[router.owner_of(identities[i].device)].push_back(i);
  }
  auto answers = std::make_shared<LiveAnswers>();
  answers->states.resize(identities.size());
  answers->missing = by_owner.size();
  answers->then = std::move(then);
  for (auto& [shard, places] : by_owner) {
    std::vector<Identity> asked;
    asked.reserve(places.size());
    for (const std::size_t place : places) asked.push_back(std::move(identities[place]));
    router.ask(shard,
               GetLiveStates{std::move(asked),
                             Reply<std::vector<LiveState>>(home, [answers, places = std::move(places)](
                                                                     Result<std::vector<LiveState>> states) {
                               for (std::size_t i = 0; states && i < places.size(); ++i) {
                                 answers->states[places[i]] = (*states)[i];
                               }
                               if (--answers->missing == 0) answers->then(std::move(answers->states));
                             })});
  }
}

// Takes the times from before the start where none is newer.
void add_activity(const std::vector<Identity>& identities, const std::vector<ActivityRecord>& stored,
                  std::vector<LiveState>& states) {
  auto record = stored.begin();  // both are in order
  for (std::size_t i = 0; i < identities.size(); ++i) {
    while (record != stored.end() && record->id < identities[i]) ++record;
    if (record == stored.end()) return;
    if (record->id != identities[i]) continue;
    LiveState& state = states[i];
    if (state.connection_state_updated == kNever) {
      state.connection_state_updated = record->connection_state_updated;
    }
    state.last_activity = std::max(state.last_activity, record->last_activity);
  }
}

}  // namespace

void ask_live_states(Executor& home, DeviceRouter& router, DocumentStore& documents,
                     std::vector<Identity> identities, AfterLiveStates then) {
  if (identities.empty()) return then({});
  const std::string first = identities.front().device;
  const std::string last = identities.back().device;
  read_activity(documents, home, first, last,
                Reply<std::vector<ActivityRecord>>(
                    home, [&home, &router, identities = std::move(identities),
                           then = std::move(then)](Result<std::vector<ActivityRecord>> read) mutable {
                      std::vector<ActivityRecord> stored;
                      if (read) stored = std::move(*read);
                      std::vector<Identity> asked = identities;
                      ask_owners(home, router, std::move(asked),
                                 [identities = std::move(identities), stored = std::move(stored),
                                  then = std::move(then)](std::vector<LiveState> states) mutable {
                                   add_activity(identities, stored, states);
                                   then(std::move(states));
                                 });
                    }));
}

}  // namespace kyanite
