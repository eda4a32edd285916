#include "server/app/http_fetch.h"

#include <curl/curl.h>

#include <memory>

namespace kyanite {
namespace {

struct FreeCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

struct FetchState {
  const std::function<bool()>& stop;
  std::size_t bytes_max;
  std::string body;
  bool too_large = false;
};

std::size_t take_fetched(char* data, std::size_t, std::size_t size, void* into) {
  auto& state = *static_cast<FetchState*>(into);
  if (state.body.size() + size > state.bytes_max) {
    state.too_large = true;
    return 0;
  }
  state.body.append(data, size);
  return size;
}

int is_fetch_to_stop(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<FetchState*>(self)->stop() ? 1 : 0;
}

}  // namespace

Result<HttpAnswer> fetch_http(const HttpQuestion& question, const std::function<bool()>& stop) {
  const std::unique_ptr<CURL, FreeCurl> owned(curl_easy_init());
  CURL* const handle = owned.get();
  if (!handle) return Error(Errc::io_failed, "libcurl cannot be used");
  FetchState state{stop, question.bytes_max, {}, false};
  curl_easy_setopt(handle, CURLOPT_URL, question.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_NOBODY, question.head_only ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(question.connect_time.count()));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, static_cast<long>(question.time.count()));
  curl_easy_setopt(handle, CURLOPT_FILETIME, 1L);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_fetched);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &state);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, is_fetch_to_stop);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &state);
  if (question.direct) curl_easy_setopt(handle, CURLOPT_PROXY, "");
  if (!question.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, question.ca_file.c_str());
  const CURLcode code = curl_easy_perform(handle);
  if (state.too_large) return Error(Errc::io_failed, "the answer is too large");
  if (code != CURLE_OK) return Error(Errc::io_failed, curl_easy_strerror(code));
  HttpAnswer answer;
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  curl_off_t length = -1, modified = -1;
  curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  curl_easy_getinfo(handle, CURLINFO_FILETIME_T, &modified);
  if (length >= 0) answer.length = static_cast<std::uint64_t>(length);
  if (modified >= 0) answer.modified = WallTime(seconds(modified));
  answer.body = std::move(state.body);
  return answer;
}

}  // namespace kyanite
