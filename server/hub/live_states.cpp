#include "server/hub/live_states.h"

#include <map>
#include <memory>
#include <utility>

namespace kyanite {
namespace {

// The answers of several owners on their way; lives on the asker's shard.
struct LiveAnswers {
  std::vector<LiveState> states;
  std::size_t missing = 0;
  AfterLiveStates then;
};

}  // namespace

void ask_live_states(Executor& home, DeviceRouter& router, std::vector<Identity> identities,
                     AfterLiveStates then) {
  std::map<ShardIndex, std::vector<std::size_t>> by_owner;
  for (std::size_t i = 0; i < identities.size(); ++i) {
    by_owner[router.owner_of(identities[i].device)].push_back(i);
  }
  if (by_owner.empty()) return then({});
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

}  // namespace kyanite
