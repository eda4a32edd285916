#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"
#include "server/app/cli/hub_target.h"

namespace kyanite::cli {

struct RestAnswer {
  int status = 0;
  std::string body;
  std::string etag;          // with its quotes; empty when there is none
  std::string continuation;  // x-ms-continuation; empty on the last page
};

// RestClient asks one hub over HTTPS with a fresh SAS token of the login's policy. Blocking; one request at a
// time. Where the hub refuses a token and its clock differs from this machine's, it asks once more with a
// token by the hub's clock. Errors: Errc::io_failed with a sentence for the user when there is no answer.
class RestClient {
 public:
  explicit RestClient(HubTarget target);
  ~RestClient();
  RestClient(const RestClient&) = delete;
  RestClient& operator=(const RestClient&) = delete;

  const HubTarget& target() const { return target_; }

  // How long an answer may take; 60 seconds unless set.
  void set_answer_time(seconds time) { answer_time_ = time; }

  // `path` begins with '/'; api-version is added. Headers as "Name: value"; "Content-Type:" sends none
  // instead of that of JSON.
  Result<RestAnswer> ask(const std::string& verb, const std::string& path, const std::string& body = {},
                         const std::vector<std::string>& headers = {});
  // The same for an answer expected to be JSON with a 2xx status; anything else becomes an error whose detail
  // is what the hub said: "404 DeviceNotFound: ...".
  Result<Json> ask_json(const std::string& verb, const std::string& path, const std::string& body = {},
                        const std::vector<std::string>& headers = {});

  // Reads an answer of lines until it ends or `on_line` returns false. A status other than 200 is an error.
  Result<void> read_lines(const std::string& path, const std::function<bool(std::string_view)>& on_line);

 private:
  struct Curl;
  // One exchange; once more after learning the hub's time.
  Result<RestAnswer> exchange(const std::string& verb, const std::string& path, const std::string& body,
                              const std::vector<std::string>& headers);
  bool learn_time(long status);
  Result<void> prepare(const std::string& verb, const std::string& path,
                       const std::vector<std::string>& headers);

  HubTarget target_;
  std::unique_ptr<Curl> curl_;
  std::chrono::seconds hub_ahead_{0};  // the hub's clock against this machine's, as far as known
  seconds answer_time_{60};
};

// What the hub's error body says, in a line.
std::string describe_refusal(const RestAnswer& answer);

}  // namespace kyanite::cli
