#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/api/api_router.h"
#include "tests/sim/checkers.h"
#include "tests/support/sim_hub.h"

namespace kyanite::sim {

// SimService is a back end: it asks the REST API of any shard and does not wait for answers.
class SimService {
 public:
  SimService(Checkers& checkers, Random& random) : checkers_(checkers), random_(random) {}

  // A hub started; what was asked of the one before is answered by nobody.
  void use(test::SimHub& hub);
  void lose_answers();

  void create(const Identity& identity);
  void enable(const Identity& device, bool enabled);
  void erase(const Identity& identity);
  void send_c2d(const std::string& device, AckRequest ack, std::optional<seconds> time_to_live);
  void purge(const std::string& device);
  void patch_twin(const Identity& identity, const std::string& key, bool removes, bool conditional);
  void replace_twin(const Identity& identity, const std::string& key, bool conditional);
  void read_twin(const Identity& identity);
  void invoke(const Identity& identity, seconds response_timeout, seconds connect_timeout);
  // Takes a batch, and completes or abandons it when it comes, or leaves it.
  enum class Then { complete, abandon, leave };
  void receive_feedback(Then then);

  std::size_t waiting() const { return waiting_.size(); }
  bool feedback_is_empty() const { return feedback_empty_; }

 private:
  struct Answer {
    int status = 0;
    std::string body;
    std::string etag;  // without quotes
    Json json;
  };
  using Handler = std::function<void(const Answer&)>;
  using Headers = std::vector<std::pair<std::string, std::string>>;

  void ask(const std::string& verb, const std::string& target, const std::string& body, Headers headers,
           Handler handler);
  void on_answer(std::uint64_t request, Result<HttpResponse> response);
  void update_twin(const TwinPatch& patch, bool conditional);
  void settle_feedback(const std::string& token, const std::vector<std::string>& ids, Then then);
  static std::string path_of(const char* root, const Identity& identity);
  const MemoryState& state() const { return hub_->stores.committed(); }

  struct Silent final : ApiObserver {
    void on_answered(const RequestOutcome&) override {}
  };

  Checkers& checkers_;
  Random& random_;
  Silent silent_;
  test::SimHub* hub_ = nullptr;
  std::deque<HubServices> services_;
  std::vector<std::unique_ptr<ApiRouter>> routers_;
  struct Waiting {
    std::string what;
    Handler handler;
  };
  std::map<std::uint64_t, Waiting> waiting_;
  std::map<Identity, std::string> twin_etags_;  // as read last
  // Identity, generation and etag that an update was accepted for.
  std::set<std::pair<Identity, std::pair<std::string, std::string>>> spent_etags_;
  bool feedback_empty_ = false;
};

}  // namespace kyanite::sim
