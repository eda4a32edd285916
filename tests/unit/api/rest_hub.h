#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/json_limits.h"
#include "server/api/api_router.h"
#include "tests/support/sim_hub.h"

namespace kyanite::test {

// A response as a test looks at it. Names of headers are lower-cased.
struct RestAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
  Json json;  // null when the body is none
  std::shared_ptr<ResponseStream> stream;
  bool close_connection = false;

  // "DeviceNotFound" when the header iothub-errorcode and the text of Message agree, else what is wrong.
  std::string error_name() const;
};

struct RestRequest {
  std::string verb;
  std::string target;  // "api-version" is added unless the target has a query or begins with /kyanite/
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // lower-cased names
  std::string authorization = "iothubowner";  // a policy's name, or the whole header; empty: none
};

// The REST API of a simulated hub.
class RestHub {
 public:
  RestHub() : RestHub(SimHub::Options()) {}
  explicit RestHub(SimHub::Options options);

  SimHub hub;
  struct Observer final : ApiObserver {
    void on_answered(const RequestOutcome& outcome) override;
    std::vector<std::string> lines;  // "GET /devices/d1 401 <detail of the error>"
  } observer;
  HubServices services;
  ApiRouter router;

  // `patience`: time that may pass until there is an answer.
  RestAnswer ask(RestRequest request, milliseconds patience = milliseconds(0));
  RestAnswer get(std::string target) { return ask({"GET", std::move(target), {}, {}}); }
  RestAnswer put(std::string target, std::string body, std::string if_match = {});
  RestAnswer del(std::string target, std::string if_match = "*");

  HttpRequest parse(const RestRequest& request);
};

}  // namespace kyanite::test
