#include "server/http/held_response.h"

#include <boost/beast/http.hpp>
#include <sstream>

#include "protocol/http/http_date.h"

namespace kyanite {
namespace {

constexpr milliseconds kHeldWriteTime{1'000};

}  // namespace

void HeldResponse::answer(HttpResponse response) {
  namespace http = boost::beast::http;
  http::response<http::string_body> message;
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  message.set(http::field::server, "Kyanite");
  message.set(http::field::date,
              to_http_date(std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now())));
  if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  message.keep_alive(false);
  message.body() = std::move(response.body);
  message.prepare_payload();
  std::ostringstream text;
  text << message;
  stream_.write_all(text.str(), kHeldWriteTime);
  stream_.end();
}

}  // namespace kyanite
