#include "server/app/bearer_fetcher.h"

#include <utility>

#include "server/app/http_fetch.h"
#include "server/observe/log.h"

namespace kyanite {
namespace {

constexpr std::size_t kKeyWaitersMax = 1024;

Result<std::string> fetch_key_set(const BearerFetcher::Rules& rules, const std::function<bool()>& stop) {
  constexpr int kOk = 200;
  HttpQuestion question;
  question.url = rules.uri;
  question.ca_file = rules.ca_file;
  const Result<HttpAnswer> answer = fetch_http(question, stop);
  if (!answer) return answer.error();
  if (answer->status != kOk) {
    return Error(Errc::io_failed, "the issuer answered " + std::to_string(answer->status));
  }
  return answer->body;
}

}  // namespace

BearerFetcher::BearerFetcher(Rules rules, PublishKeys publish)
    : rules_(std::move(rules)), publish_(std::move(publish)), thread_([this] { work(); }) {}

BearerFetcher::~BearerFetcher() { stop(); }

void BearerFetcher::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (Reply<void>& reply : std::exchange(waiting_, {})) reply(Error(Errc::shutting_down));
}

void BearerFetcher::fetch(Reply<void> reply) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return reply(Error(Errc::shutting_down));
  const bool is_early = !fetching_ && !asked_ && std::chrono::steady_clock::now() < not_before_;
  if (is_early || waiting_.size() >= kKeyWaitersMax) return reply(Error(Errc::busy));
  waiting_.push_back(std::move(reply));
  asked_ = asked_ || !fetching_;
  changed_.notify_all();
}

void BearerFetcher::fetch_soon() {
  const std::lock_guard lock(mutex_);
  asked_ = true;
  changed_.notify_all();
}

void BearerFetcher::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!asked_ && std::chrono::steady_clock::now() < due_) {
      changed_.wait_until(lock, due_);
      continue;
    }
    asked_ = false;
    fetching_ = true;
    not_before_ = std::chrono::steady_clock::now() + rules_.not_before;
    due_ = not_before_;
    lock.unlock();
    fetch_now();
    lock.lock();
  }
}

// Who asked before the fetch ended is answered with it: the issuer may have answered before they asked, but
// the next one is never far.
void BearerFetcher::fetch_now() {
  const auto take_waiting = [this] {
    const std::lock_guard lock(mutex_);
    fetching_ = false;
    return std::exchange(waiting_, {});
  };
  const Result<std::string> text = fetch_key_set(rules_, [this] { return stopping_.load(); });
  Result<BearerKeys> keys = text ? BearerKeys::parse(*text) : text.error();
  if (!keys) {
    if (!stopping_) log::error("bearer_keys_kept", {{"reason", keys.error().detail}});
    for (Reply<void>& reply : take_waiting()) reply(Error(Errc::io_failed, keys.error().detail));
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    due_ = std::chrono::steady_clock::now() + rules_.fresh_for;
  }
  if (std::exchange(last_text_, *text) == *text) {
    for (Reply<void>& reply : take_waiting()) reply({});
    return;
  }
  log::info("bearer_keys_loaded", {{"keys", keys->size()}});
  auto waiting = std::make_shared<std::vector<Reply<void>>>(take_waiting());
  publish_(std::make_shared<const BearerKeys>(std::move(*keys)), [waiting] {
    for (Reply<void>& reply : *waiting) reply({});
  });
}

}  // namespace kyanite
