#include "server/app/cli/rest_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "protocol/auth/sas_token.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite::cli {
namespace {

constexpr std::string_view kApiVersion = "2021-04-12";
constexpr std::chrono::minutes kTokenLifetime{10};
constexpr long kConnectSeconds = 10;
constexpr std::size_t kBodyBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kLineBytesMax = 4 * 1024 * 1024;
// A clock that differs by less is not why a token was refused: the hub forgives five minutes.
constexpr std::chrono::seconds kClockDifferenceMin{60};

std::size_t collect(char* data, std::size_t, std::size_t size, void* into) {
  auto& body = *static_cast<std::string*>(into);
  if (body.size() + size > kBodyBytesMax) return 0;
  body.append(data, size);
  return size;
}

// The value of a header line when it is the named one ("etag:").
std::optional<std::string> value_of(std::string_view line, std::string_view name) {
  if (!equals_ignoring_case(line.substr(0, name.size()), name)) return std::nullopt;
  line.remove_prefix(std::min(line.find_first_not_of(" \t", name.size()), line.size()));
  return std::string(line.substr(0, line.find_last_not_of(" \t\r\n") + 1));
}

// Cuts a stream into lines.
struct LineReader {
  const std::function<bool(std::string_view)>& on_line;
  CURL* handle;
  std::string pending;
  bool stopped = false;

  static std::size_t receive(char* data, std::size_t, std::size_t size, void* into) {
    auto& self = *static_cast<LineReader*>(into);
    self.pending.append(data, size);
    long status = 0;
    curl_easy_getinfo(self.handle, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return self.pending.size() <= kLineBytesMax ? size : 0;  // an error body, kept whole
    std::size_t begin = 0;
    for (std::size_t end; (end = self.pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string_view line(self.pending.data() + begin, end - begin);
      if (!line.empty() && !self.on_line(line)) {
        self.stopped = true;
        return 0;
      }
    }
    self.pending.erase(0, begin);
    return self.pending.size() <= kLineBytesMax ? size : 0;
  }
};

}  // namespace

struct RestClient::Curl {
  CURL* handle = curl_easy_init();
  curl_slist* headers = nullptr;
  curl_slist* connect_to = nullptr;
  char error[CURL_ERROR_SIZE] = {};
  std::time_t hub_time = -1;  // from the header Date
  std::string etag;
  std::string continuation;

  static std::size_t take_header(char* data, std::size_t, std::size_t size, void* into) {
    auto& self = *static_cast<Curl*>(into);
    const std::string_view line(data, size);
    if (const auto date = value_of(line, "date:")) self.hub_time = curl_getdate(date->c_str(), nullptr);
    if (auto etag = value_of(line, "etag:")) self.etag = std::move(*etag);
    if (auto token = value_of(line, "x-ms-continuation:")) self.continuation = std::move(*token);
    return size;
  }
  ~Curl() {
    curl_slist_free_all(headers);
    curl_slist_free_all(connect_to);
    curl_easy_cleanup(handle);
  }
  void clear() {
    curl_easy_reset(handle);
    curl_slist_free_all(std::exchange(headers, nullptr));
    curl_slist_free_all(std::exchange(connect_to, nullptr));
    error[0] = '\0';
    hub_time = -1;
    etag.clear();
    continuation.clear();
  }
  Error failure(CURLcode code, const HubTarget& target) const {
    const std::string reason = error[0] != '\0' ? error : curl_easy_strerror(code);
    const std::string place =
        target.connect_to.empty() ? target.host + ":" + std::to_string(target.port) : target.connect_to;
    if (code == CURLE_COULDNT_CONNECT) {
      return Error(Errc::io_failed, "no hub answers at " + place + "; is it running? (" + reason + ")");
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
      return Error(Errc::io_failed,
                   "the hub's certificate is not trusted: " + reason +
                       "; give its CA with --ca FILE (`kyanite ca` prints it on the hub's machine)");
    }
    return Error(Errc::io_failed, "no answer from the hub at " + place + ": " + reason);
  }
};

RestClient::RestClient(HubTarget target) : target_(std::move(target)), curl_(std::make_unique<Curl>()) {}
RestClient::~RestClient() = default;

Result<void> RestClient::prepare(const std::string& verb, const std::string& path,
                                 const std::vector<std::string>& headers) {
  curl_->clear();
  CURL* const handle = curl_->handle;
  if (!handle) return Error(Errc::internal, "libcurl cannot be used");
  const std::string authority = target_.host + ":" + std::to_string(target_.port);
  const std::string separator = path.find('?') == std::string::npos ? "?" : "&";
  const std::string url =
      "https://" + authority + path + separator + "api-version=" + std::string(kApiVersion);
  const auto expiry =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + hub_ahead_ + kTokenLifetime);
  const std::string token = make_sas_token(target_.host, target_.login.key, expiry, target_.login.policy);
  curl_->headers = curl_slist_append(curl_->headers, ("Authorization: " + token).c_str());
  const bool says_type = std::any_of(headers.begin(), headers.end(), [](const std::string& header) {
    return header.starts_with("Content-Type:");
  });
  if (!says_type) curl_->headers = curl_slist_append(curl_->headers, "Content-Type: application/json");
  curl_->headers = curl_slist_append(curl_->headers, "Expect:");
  for (const std::string& header : headers)
    curl_->headers = curl_slist_append(curl_->headers, header.c_str());
  if (!target_.connect_to.empty()) {
    curl_->connect_to = curl_slist_append(nullptr, (authority + ":" + target_.connect_to).c_str());
    curl_easy_setopt(handle, CURLOPT_CONNECT_TO, curl_->connect_to);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");  // a local hub is never behind one
  }
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);  // "." and ".." are ids
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, verb.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, curl_->headers);
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, curl_->error);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, Curl::take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, curl_.get());
  if (!target_.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, target_.ca_file.c_str());
  return {};
}

// True when the hub refused the token and has another idea of the time, which is used from now on.
bool RestClient::learn_time(long status) {
  constexpr long kUnauthorized = 401;
  if (status != kUnauthorized || curl_->hub_time < 0) return false;
  const std::chrono::seconds ahead(curl_->hub_time - std::time(nullptr));
  if (std::chrono::abs(ahead - hub_ahead_) < kClockDifferenceMin) return false;
  hub_ahead_ = ahead;
  return true;
}

Result<RestAnswer> RestClient::ask(const std::string& verb, const std::string& path, const std::string& body,
                                   const std::vector<std::string>& headers) {
  Result<RestAnswer> answer = exchange(verb, path, body, headers);
  if (answer && learn_time(answer->status)) return exchange(verb, path, body, headers);
  return answer;
}

Result<RestAnswer> RestClient::exchange(const std::string& verb, const std::string& path,
                                        const std::string& body, const std::vector<std::string>& headers) {
  if (auto ready = prepare(verb, path, headers); !ready) return ready.error();
  RestAnswer answer;
  curl_easy_setopt(curl_->handle, CURLOPT_TIMEOUT, static_cast<long>(answer_time_.count()));
  curl_easy_setopt(curl_->handle, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl_->handle, CURLOPT_WRITEDATA, &answer.body);
  if (!body.empty() || verb == "POST") {
    curl_easy_setopt(curl_->handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl_->handle, CURLOPT_POSTFIELDS, body.data());
  }
  if (const CURLcode code = curl_easy_perform(curl_->handle); code != CURLE_OK)
    return curl_->failure(code, target_);
  long status = 0;
  curl_easy_getinfo(curl_->handle, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  answer.etag = curl_->etag;
  answer.continuation = curl_->continuation;
  return answer;
}

Result<Json> RestClient::ask_json(const std::string& verb, const std::string& path, const std::string& body,
                                  const std::vector<std::string>& headers) {
  const auto answer = ask(verb, path, body, headers);
  if (!answer) return answer.error();
  if (answer->status / 100 != 2) return Error(Errc::argument_invalid, describe_refusal(*answer));
  if (answer->body.empty()) return Json();
  auto json = parse_json(answer->body);
  if (!json) return Error(Errc::io_failed, "the hub answered with something that is no JSON");
  return json;
}

Result<void> RestClient::read_lines(const std::string& path,
                                    const std::function<bool(std::string_view)>& on_line) {
  if (auto ready = prepare("GET", path, {"Accept: application/x-ndjson"}); !ready) return ready.error();
  LineReader reader{on_line, curl_->handle, {}, false};
  curl_easy_setopt(curl_->handle, CURLOPT_WRITEFUNCTION, LineReader::receive);
  curl_easy_setopt(curl_->handle, CURLOPT_WRITEDATA, &reader);
  const CURLcode code = curl_easy_perform(curl_->handle);
  if (reader.stopped) return {};
  if (code != CURLE_OK) return curl_->failure(code, target_);
  long status = 0;
  curl_easy_getinfo(curl_->handle, CURLINFO_RESPONSE_CODE, &status);
  if (learn_time(status)) return read_lines(path, on_line);
  if (status != 200)
    return Error(Errc::argument_invalid,
                 describe_refusal({static_cast<int>(status), reader.pending, {}, {}}));
  return {};
}

std::string describe_refusal(const RestAnswer& answer) {
  std::string out = std::to_string(answer.status);
  const auto json = parse_json(answer.body);
  const Json* message = json && json->is_object() ? find_member(*json, "Message") : nullptr;
  if (message && message->is_string()) {
    // "ErrorCode:DeviceNotFound;{text}" is the service's form.
    std::string text = message->get<std::string>();
    constexpr std::string_view kPrefix = "ErrorCode:";
    if (text.starts_with(kPrefix)) text.erase(0, kPrefix.size());
    // Direct methods have a document in the text (service-rest.md 3.3).
    const auto nested = parse_json(text);
    const Json* sentence = nested ? find_member(*nested, "message") : nullptr;
    if (sentence && sentence->is_string()) text = sentence->get<std::string>();
    if (const std::size_t end = text.find(';'); end != std::string::npos) text.replace(end, 1, ": ");
    out += " " + text;
  }
  if (answer.status == 401) out += " (is the key right, and may its policy do this?)";
  return "the hub refused: " + out;
}

}  // namespace kyanite::cli
